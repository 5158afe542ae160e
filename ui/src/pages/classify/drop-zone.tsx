import { FolderOpenIcon, ImagePlusIcon } from "lucide-react";
import { useEffect, useEffectEvent, useRef, useState } from "react";
import { toast } from "sonner";

import type { About } from "@/api/client";
import { Button } from "@/components/ui/button";
import { formatBytes } from "@/lib/format";
import { cn } from "@/lib/utils";
import { fromPicker, fromTransfer } from "@/uploads/files";
import type { Picked } from "@/uploads/queue";

interface Props {
  about: About | undefined;
  onPicked: (picked: Picked[]) => void;
}

/** Takes files: dropped anywhere on it, pasted, or picked one by one or by the folder. */
export function DropZone({ about, onPicked }: Props) {
  const [over, setOver] = useState(false);
  const [found, setFound] = useState<number>(); // while folders are read
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);

  const takeFrom = useEffectEvent(async (transfer: DataTransfer) => {
    setOver(false);
    setFound(0);
    const { picked, unreadable, left_out } = await fromTransfer(transfer, setFound);
    setFound(undefined);
    onPicked(picked);
    if (unreadable.length > 0) {
      const more = unreadable.length > 5 ? ` and ${unreadable.length - 5} more` : "";
      toast.error(`Could not be read: ${unreadable.slice(0, 5).join(", ")}${more}`);
    }
    if (left_out > 0) toast.info(`Left out what is no image by its name: ${left_out} files.`);
    else if (picked.length + unreadable.length === 0) toast.info("There are no images in it.");
  });

  // Anywhere on the page will do.
  useEffect(() => {
    const paste = (event: ClipboardEvent) => {
      if (event.clipboardData?.files.length) void takeFrom(event.clipboardData);
    };
    const drop = (event: DragEvent) => {
      if (event.dataTransfer?.types.includes("Files")) void takeFrom(event.dataTransfer);
    };
    const enter = (event: DragEvent) =>
      setOver(event.dataTransfer?.types.includes("Files") ?? false);
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    window.addEventListener("paste", paste);
    window.addEventListener("drop", drop);
    window.addEventListener("dragenter", enter);
    window.addEventListener("dragleave", leave);
    return () => {
      window.removeEventListener("paste", paste);
      window.removeEventListener("drop", drop);
      window.removeEventListener("dragenter", enter);
      window.removeEventListener("dragleave", leave);
    };
  }, []);

  function take(input: HTMLInputElement) {
    onPicked(fromPicker(input.files ?? []));
    input.value = ""; // the same files may be picked again
  }

  return (
    <section
      aria-label="Add images"
      data-testid="drop-zone"
      className={cn(
        "flex flex-col items-center gap-3 rounded-xl border-2 border-dashed border-input/70 bg-card px-4 py-10 text-center transition-colors",
        over && "border-primary bg-accent",
      )}
    >
      <ImagePlusIcon aria-hidden className="size-10 text-primary" />
      <p role="status" className="text-lg font-medium">
        {found === undefined
          ? "Drop images or folders here, or paste them"
          : `Reading what was dropped: ${found} images so far…`}
      </p>
      <div className="flex flex-wrap justify-center gap-2">
        <Button onClick={() => files.current?.click()}>
          <ImagePlusIcon aria-hidden /> Choose images
        </Button>
        <Button variant="outline" onClick={() => folder.current?.click()}>
          <FolderOpenIcon aria-hidden /> Choose a folder
        </Button>
      </div>
      <p className="max-w-xl text-sm text-muted-foreground">
        {about
          ? `${about.accepted_media_types.map((type) => type.replace("image/", "").toUpperCase()).join(", ")} up to ${formatBytes(about.max_image_bytes)} each. `
          : ""}
        Where a folder is named as a class, its images count towards the accuracy.
      </p>
      <input
        ref={files}
        type="file"
        multiple
        hidden
        accept={about?.accepted_media_types.join(",")}
        data-testid="files"
        onChange={(event) => take(event.target)}
      />
      <input
        ref={folder}
        type="file"
        webkitdirectory=""
        hidden
        data-testid="folder"
        onChange={(event) => take(event.target)}
      />
    </section>
  );
}
