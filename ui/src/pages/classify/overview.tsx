import { Link } from "react-router";

import { useLinkTo } from "@/api/context";
import { Progress } from "@/components/ui/progress";
import { Button } from "@/components/ui/button";
import { formatNumber, formatShare } from "@/lib/format";
import { useNow } from "@/lib/use-now";
import { ENDED, mayRetry } from "@/uploads/items";
import type { Snapshot, UploadQueue } from "@/uploads/queue";

interface Props {
  queue: UploadQueue;
  snapshot: Snapshot;
  onlyFailed: boolean;
  onOnlyFailed: (only: boolean) => void;
}

/** How far all of it is, in one bar and one line, and what can be done with all of it. */
export function Overview({ queue, snapshot, onlyFailed, onOnlyFailed }: Props) {
  const { items, counts } = snapshot;
  const linkTo = useLinkTo();
  const arrived = items.filter((item) => item.row ?? ENDED.has(item.state)).length;
  const ended = items.filter((item) => ENDED.has(item.state)).length;
  const failed = counts.failed + counts.rejected + counts.unsent;
  const open = counts.waiting + counts.sending;
  const again = items.filter(mayRetry).length;
  const known = items.filter((item) => item.state === "done" && item.row?.true_label);
  const right = known.filter((item) => item.row?.true_label === item.row?.predicted_label).length;
  const parts = [
    `${formatNumber(counts.done)} of ${formatNumber(items.length)} done`,
    open > 0 && `${formatNumber(open)} to send`,
    counts.queued + counts.running > 0 && `${formatNumber(counts.queued + counts.running)} in work`,
    counts.failed + counts.rejected > 0 &&
      `${formatNumber(counts.failed + counts.rejected)} failed`,
    counts.cancelled > 0 && `${formatNumber(counts.cancelled)} cancelled`,
    counts.unsent > 0 && `${formatNumber(counts.unsent)} not sent`,
    known.length > 0 &&
      `${formatShare(right / known.length)} of ${formatNumber(known.length)} labels right`,
  ];
  return (
    <div className="flex flex-col gap-3 border-b px-5 py-4">
      <div className="flex flex-wrap items-center gap-2">
        <p
          role="status"
          data-testid="overview"
          className="mr-auto text-sm font-medium tabular-nums"
        >
          {parts.filter(Boolean).join(" · ")}
        </p>
        {open > 0 && (
          <Button size="sm" variant="outline" onClick={() => queue.cancel()}>
            Cancel
          </Button>
        )}
        {again > 0 && (
          <Button size="sm" variant="outline" onClick={() => queue.retry()}>
            Retry {formatNumber(again)}
          </Button>
        )}
        {(onlyFailed || failed > 0) && (
          <Button
            size="sm"
            variant="outline"
            aria-pressed={onlyFailed}
            onClick={() => onOnlyFailed(!onlyFailed)}
          >
            {onlyFailed ? "Show all" : "Show the failed"}
          </Button>
        )}
        {ended > 0 && (
          <Button size="sm" variant="ghost" onClick={() => queue.clear()}>
            Clear the list
          </Button>
        )}
        {counts.done > 0 && (
          <Button size="sm" variant="ghost" asChild>
            <Link to={linkTo("/results")}>See the results</Link>
          </Button>
        )}
      </div>
      {/* Half of the way is to arrive, the other half to be classified. */}
      <Progress label="All images" value={(arrived + ended) / 2 / items.length} />
      <Pause snapshot={snapshot} />
    </div>
  );
}

function Pause({ snapshot }: { snapshot: Snapshot }) {
  const now = useNow();
  if (snapshot.paused_until_ms === 0) return null;
  const left_s = Math.max(1, Math.ceil((snapshot.paused_until_ms - now) / 1000));
  return (
    <p role="status" className="text-sm text-warning">
      {snapshot.why_paused} Going on in {left_s} s; nothing is lost.
    </p>
  );
}
