import { CheckIcon, XIcon } from "lucide-react";
import { memo } from "react";

import type { Api } from "@/api/apis";
import type { Prediction } from "@/api/client";
import { FileName } from "@/components/file-name";
import { RelativeTime } from "@/components/relative-time";
import { StageBar } from "@/components/stage-bar";
import { StatusBadge } from "@/components/status-badge";
import { TileImage } from "@/components/tile-image";
import { formatLabel, formatMs, formatShare } from "@/lib/format";
import { cn } from "@/lib/utils";
import { stateOf } from "@/uploads/items";

export const ROW_PX = 64;

interface Props {
  api: Api;
  row: Prediction;
  /** Counted from 1, over all rows. */
  number: number;
  onOpen: (row: Prediction) => void;
}

export const ResultRow = memo(function ResultRow({ api, row, number, onOpen }: Props) {
  return (
    <tr
      aria-rowindex={number}
      data-request-id={row.request_id}
      onClick={() => onOpen(row)}
      className="cursor-pointer border-b hover:bg-accent/50"
      style={{ height: ROW_PX }}
    >
      <td className="pl-4">
        <TileImage api={api} row={row} className="size-12" />
      </td>
      <td className="px-2">
        <button
          type="button"
          className="block max-w-full rounded-sm text-left font-medium hover:underline"
          onClick={(event) => {
            event.stopPropagation();
            onOpen(row);
          }}
        >
          <FileName path={row.image_name} />
        </button>
        <span className="block truncate text-xs text-muted-foreground">
          <RelativeTime at={row.accepted_at} />
        </span>
      </td>
      <td className="px-2">
        {row.predicted_label ? (
          <>
            <span className="block truncate font-medium">{formatLabel(row.predicted_label)}</span>
            <span className="text-xs text-muted-foreground tabular-nums">
              {formatShare(row.confidence ?? 0)}
            </span>
          </>
        ) : (
          <span className="block truncate text-xs text-muted-foreground" title={row.error?.detail}>
            {row.error?.code ?? row.status}
          </span>
        )}
      </td>
      <td className="hidden px-2 md:table-cell">
        <TrueLabel row={row} />
      </td>
      <td className="hidden px-2 sm:table-cell">
        <StatusBadge state={stateOf(row)} />
      </td>
      <td className="hidden px-2 lg:table-cell">
        <span className="block">{row.lane}</span>
        <span
          className="block truncate text-xs text-muted-foreground"
          title={row.model_version ?? ""}
        >
          {row.model_version}
        </span>
      </td>
      <td className="hidden px-2 pr-4 sm:table-cell">
        <StageBar row={row} />
        {row.latency_ms != null && (
          <span className="text-xs text-muted-foreground tabular-nums">
            {formatMs(row.latency_ms)}
          </span>
        )}
      </td>
    </tr>
  );
});

function TrueLabel({ row }: { row: Prediction }) {
  if (!row.true_label) return <span className="text-muted-foreground">–</span>;
  if (!row.predicted_label) return <>{formatLabel(row.true_label)}</>;
  const right = row.true_label === row.predicted_label;
  const Icon = right ? CheckIcon : XIcon;
  return (
    <span className={cn("flex items-center gap-1", right ? "text-success" : "text-destructive")}>
      <Icon aria-label={right ? "right" : "wrong"} className="size-4 shrink-0" />
      <span className="truncate">{formatLabel(row.true_label)}</span>
    </span>
  );
}
