import type { ReactNode } from "react";

import type { Stats } from "@/api/client";
import { Card } from "@/components/ui/card";
import { formatMs, formatNumber, formatShare } from "@/lib/format";
import { cn } from "@/lib/utils";

/** What one wants to know at a glance. */
export function Figures({ stats, wide }: { stats: Stats; wide: boolean }) {
  const { status_distribution: statuses, recent_errors: errors, workers } = stats;
  const failed = statuses["failed"] ?? 0;
  const open = (statuses["pending"] ?? 0) + (statuses["running"] ?? 0);
  const latency = stats.latency_percentiles["latency_ms"];
  const worst = Object.entries(errors).sort(([, a], [, b]) => b - a);
  return (
    <div className={cn("grid grid-cols-2 gap-3 sm:grid-cols-3", wide && "lg:grid-cols-6")}>
      <Figure name="Done" value={formatNumber(stats.total_predictions)} more="all time" />
      <Figure
        name="In the queue"
        value={formatNumber(open)}
        more={stats.queue_depth == null ? "" : `${formatNumber(stats.queue_depth)} messages`}
      />
      <Figure
        name="Workers"
        value={formatNumber(workers.length)}
        more={workers
          .map((worker) => `${worker.name}, ${Math.round(worker.memory_mb)} MB`)
          .join("; ")}
      />
      <Figure
        name="Failed"
        value={formatNumber(failed)}
        more={worst.map(([code, n]) => `${code} ${formatNumber(n)}`).join(", ")}
        bad={failed > 0}
      />
      <Figure
        name="Accuracy"
        value={stats.accuracy == null ? "–" : formatShare(stats.accuracy)}
        more={stats.accuracy == null ? "no true labels" : "where the label is known"}
      />
      <Figure
        name="Latency, p50"
        value={latency?.["p50"] == null ? "–" : formatMs(latency["p50"])}
        more={latency?.["p99"] == null ? "" : `p99 ${formatMs(latency["p99"])}, latest 1,000`}
      />
    </div>
  );
}

interface FigureProps {
  name: string;
  value: ReactNode;
  more?: string;
  bad?: boolean;
}

function Figure({ name, value, more = "", bad = false }: FigureProps) {
  return (
    <Card className="min-w-0 px-4 py-3">
      <p className="text-sm text-muted-foreground">{name}</p>
      <p className={`text-2xl font-semibold tabular-nums ${bad ? "text-destructive" : ""}`}>
        {value}
      </p>
      <p className="truncate text-xs text-muted-foreground" title={more}>
        {more || "\u00a0"}
      </p>
    </Card>
  );
}
