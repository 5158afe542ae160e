import { formatLabel, formatShare } from "@/lib/format";
import { cn } from "@/lib/utils";

interface Props {
  probabilities: Record<string, number>;
  true_label?: string | null | undefined;
}

/** Every class with its probability, the likeliest first. */
export function ConfidenceBars({ probabilities, true_label }: Props) {
  const sorted = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
  return (
    <dl className="grid grid-cols-[auto_1fr_auto] items-center gap-x-3 gap-y-1 text-sm tabular-nums">
      {sorted.map(([label, share], rank) => (
        <div key={label} className="contents">
          <dt className={cn("max-w-40 truncate", label === true_label && "font-semibold")}>
            {formatLabel(label)}
            {label === true_label && (
              <span className="font-normal text-muted-foreground"> (true)</span>
            )}
          </dt>
          <dd aria-hidden className="h-2 overflow-hidden rounded-full bg-muted">
            <div
              className={cn(
                "h-full rounded-full",
                rank === 0 ? "bg-primary" : "bg-muted-foreground/60",
              )}
              style={{ width: `${share * 100}%` }}
            />
          </dd>
          <dd className="text-right">{formatShare(share)}</dd>
        </div>
      ))}
    </dl>
  );
}
