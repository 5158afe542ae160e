import { type RefCallback, useCallback } from "react";

/** A ref that shows `blob` in an <img>, and gives its memory back once it is gone. */
export function useBlobSource(blob: Blob | undefined): RefCallback<HTMLImageElement> {
  return useCallback(
    (image: HTMLImageElement | null) => {
      if (!image || !blob) return;
      const made = URL.createObjectURL(blob);
      image.src = made;
      return () => URL.revokeObjectURL(made);
    },
    [blob],
  );
}
