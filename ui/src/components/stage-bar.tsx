import type { Prediction } from "@/api/client";
import { formatMs } from "@/lib/format";
import { cn } from "@/lib/utils";

export const STAGES = [
  { name: "queue", field: "queue_ms", colour: "bg-queue", what: "waited for a worker" },
  { name: "fetch", field: "fetch_ms", colour: "bg-fetch", what: "read from the image store" },
  { name: "decode", field: "decode_ms", colour: "bg-decode", what: "made into pixels" },
  { name: "infer", field: "infer_ms", colour: "bg-infer", what: "put through the net" },
  { name: "record", field: "record_ms", colour: "bg-record", what: "written to the database" },
] as const;

type Timed = Pick<Prediction, (typeof STAGES)[number]["field"] | "latency_ms">;

/** Where an image's time went: a bar of its five stages, each by its share of their sum. */
export function StageBar({ row, className }: { row: Timed; className?: string }) {
  const parts = STAGES.map((stage) => ({ ...stage, ms: row[stage.field] ?? 0 }));
  const sum_ms = parts.reduce((sum, part) => sum + part.ms, 0);
  if (sum_ms <= 0) return <span className="text-muted-foreground">–</span>;
  const told = parts.map((part) => `${part.name} ${formatMs(part.ms)}`).join(", ");
  return (
    <span
      role="img"
      aria-label={told}
      title={told}
      className={cn("flex h-2.5 w-full gap-px overflow-hidden rounded-sm", className)}
    >
      {parts.map((part) => (
        <span
          key={part.name}
          className={part.colour}
          style={{ width: `${(part.ms / sum_ms) * 100}%` }}
        />
      ))}
    </span>
  );
}

/** The same in figures. */
export function StageTable({ row, explain = false }: { row: Timed; explain?: boolean }) {
  return (
    <table className="w-full text-left tabular-nums">
      <tbody>
        {STAGES.map((stage) => (
          <tr key={stage.name}>
            <th scope="row" className="py-0.5 pr-3 font-normal whitespace-nowrap">
              <span
                aria-hidden
                className={cn("mr-2 inline-block size-2.5 rounded-xs", stage.colour)}
              />
              {stage.name}
              {explain && <span className="text-muted-foreground"> – {stage.what}</span>}
            </th>
            <td className="text-right whitespace-nowrap">{told(row[stage.field])}</td>
          </tr>
        ))}
        <tr className="border-t font-medium">
          <th scope="row" className="pt-1 pr-3 font-medium">
            accepted to committed
          </th>
          <td className="pt-1 text-right whitespace-nowrap">{told(row.latency_ms)}</td>
        </tr>
      </tbody>
    </table>
  );
}

const told = (ms: number | null | undefined) => (ms == null ? "–" : formatMs(ms));
