import { ChevronDownIcon, RotateCwIcon, XIcon } from "lucide-react";
import { memo, useState } from "react";
import { Link } from "react-router";

import type { Api } from "@/api/apis";
import { ConfidenceBars } from "@/components/confidence-bars";
import { FileName } from "@/components/file-name";
import { StageTable } from "@/components/stage-bar";
import { StatusBadge } from "@/components/status-badge";
import { Button } from "@/components/ui/button";
import { Progress } from "@/components/ui/progress";
import { formatBytes, formatLabel, formatMs, formatShare } from "@/lib/format";
import { useBlobSource } from "@/lib/use-blob-source";
import { cn } from "@/lib/utils";
import { type Item, mayRetry } from "@/uploads/items";
import type { UploadQueue } from "@/uploads/queue";

interface Props {
  api: Api;
  queue: UploadQueue;
  item: Item;
}

/** One file: its picture, where it is, and once it is done what it shows and how sure that is. */
export const FileRow = memo(function FileRow({ api, queue, item }: Props) {
  const [open, setOpen] = useState(false);
  const { row } = item;
  return (
    <div className="px-5 py-2">
      <div className="flex items-center gap-3">
        <LocalImage file={item.file} />
        <div className="min-w-0 flex-1">
          <p className="text-sm font-medium">
            <FileName path={item.path} />
          </p>
          <div
            className={cn(
              "text-sm text-muted-foreground tabular-nums",
              item.error ? "line-clamp-3 sm:truncate" : "truncate",
            )}
          >
            <Detail item={item} />
          </div>
        </div>
        <StatusBadge state={item.state} />
        {row?.probabilities && (
          <Button
            variant="ghost"
            size="icon"
            aria-expanded={open}
            aria-label={`Probabilities of ${item.path}`}
            onClick={() => setOpen(!open)}
          >
            <ChevronDownIcon className={cn("transition-transform", open && "rotate-180")} />
          </Button>
        )}
        {mayRetry(item) && (
          <Button
            variant="ghost"
            size="icon"
            aria-label={`Send ${item.path} again`}
            onClick={() => queue.retry(item.key)}
          >
            <RotateCwIcon />
          </Button>
        )}
        {(item.state === "waiting" || item.state === "sending") && (
          <Button
            variant="ghost"
            size="icon"
            aria-label={`Cancel ${item.path}`}
            onClick={() => queue.cancel(item.key)}
          >
            <XIcon />
          </Button>
        )}
      </div>
      {open && row?.probabilities && (
        <div className="grid gap-6 py-3 text-sm sm:grid-cols-2 sm:pl-15">
          <ConfidenceBars probabilities={row.probabilities} true_label={row.true_label} />
          <div>
            <StageTable row={row} />
            <Link
              to={{
                pathname: "/results",
                search: `?${new URLSearchParams({ id: row.request_id, api: api.name }).toString()}`,
              }}
              className="mt-2 inline-block text-primary underline underline-offset-2"
            >
              All of it
            </Link>
          </div>
        </div>
      )}
    </div>
  );
});

function Detail({ item }: { item: Item }) {
  const { row, file } = item;
  if (item.error)
    return (
      <span className="text-destructive" title={item.error.detail}>
        {item.error.detail}
      </span>
    );
  if (row?.predicted_label) {
    const wrong = row.true_label != null && row.true_label !== row.predicted_label;
    return (
      <>
        <span className="font-medium text-foreground" data-testid="label">
          {formatLabel(row.predicted_label)}
        </span>{" "}
        {formatShare(row.confidence ?? 0)}
        {wrong && (
          <span className="text-warning"> · truly {formatLabel(row.true_label ?? "")}</span>
        )}
        {row.latency_ms != null && ` · ${formatMs(row.latency_ms)}`}
      </>
    );
  }
  if (item.state === "sending" || item.state === "waiting") {
    return (
      <span className="flex items-center gap-3">
        {formatBytes(file.size)}
        <Progress
          label={`Sending ${item.path}`}
          value={file.size > 0 ? item.sent_bytes / file.size : 0}
          className="h-1.5 max-w-48"
        />
      </span>
    );
  }
  return <>{formatBytes(file.size)}</>;
}

/** The picture from the disk: it needs no network, and is there before it is sent. */
function LocalImage({ file }: { file: File }) {
  const [broken, setBroken] = useState(false);
  const show = useBlobSource(file);
  return (
    <span className="size-12 shrink-0 overflow-hidden rounded-md bg-muted">
      {!broken && (
        <img
          ref={show}
          alt=""
          onError={() => setBroken(true)}
          className="pixelated size-full object-cover"
        />
      )}
    </span>
  );
}
