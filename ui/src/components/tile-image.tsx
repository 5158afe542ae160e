import { useQuery } from "@tanstack/react-query";
import { ImageOffIcon } from "lucide-react";
import { useState } from "react";

import type { Api } from "@/api/apis";
import { droppedHeadersFor, fetchFrom, type Prediction } from "@/api/client";
import { keyOf } from "@/api/keys";
import { useBlobSource } from "@/lib/use-blob-source";
import { cn } from "@/lib/utils";

/** Above this a picture is not fetched for a thumbnail: a page of them would be hundreds of MB. */
const LARGEST_THUMBNAIL_BYTES = 300_000;

interface Props {
  api: Api;
  row: Pick<Prediction, "request_id" | "image_name" | "size_bytes" | "content_type">;
  className?: string;
  /** Show it whatever its size. */
  large?: boolean;
}

/** An image that the API holds, its pixels kept sharp; a sign where a browser cannot show it. */
export function TileImage({ api, row, className, large = false }: Props) {
  const [broken, setBroken] = useState(false);
  const fits = large || row.size_bytes <= LARGEST_THUMBNAIL_BYTES;
  const address = new URL(`${api.url || "."}/images/${row.request_id}`, document.baseURI).href;
  // An <img> sends no key: where one is needed, the picture is fetched and shown from memory.
  const keyed = keyOf(api.url) !== "";
  const { data: blob } = useQuery({
    queryKey: [api.url, "image", row.request_id],
    queryFn: async ({ signal }) =>
      (await fetchFrom(api.url, address, signal, droppedHeadersFor(api.url))).blob(),
    enabled: fits && keyed,
    staleTime: Infinity,
  });
  const showBlob = useBlobSource(blob);
  if (!fits || broken) {
    const why = broken ? "this browser cannot show it" : "too large for a thumbnail";
    return (
      <span
        role="img"
        aria-label={`${row.image_name}: ${why}`}
        title={`${why} (${row.content_type})`}
        className={cn("flex items-center justify-center rounded-md bg-muted", className)}
      >
        <ImageOffIcon aria-hidden className="size-1/3 text-muted-foreground" />
      </span>
    );
  }
  return (
    <img
      {...(keyed ? { ref: showBlob } : { src: address })}
      alt={row.image_name}
      loading="lazy"
      decoding="async"
      onError={() => setBroken(true)}
      className={cn("pixelated rounded-md bg-muted object-contain", className)}
    />
  );
}
