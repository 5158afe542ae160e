import type { Report } from "@/api/client";

type Predicted = Report["predicted"];

/** A share as people name a percentile: 0.5 is p50, 0.999 is p99.9. */
export const percentileName = (q: number): string => `p${Number((q * 100).toPrecision(6))}`;

/** How often what was measured the prediction is; null where there is nothing to hold it against. */
export const ratioOf = ({ measured, predicted_ms }: Predicted[number]): number | null =>
  measured.value > 0 ? predicted_ms / measured.value : null;

export const formatRatio = (ratio: number): string =>
  `× ${ratio >= 9.995 ? ratio.toPrecision(3) : ratio.toFixed(2)}`;

/** How far off the prediction is that is furthest off, either way, in words. */
export function howFarOff(rows: Predicted): string | undefined {
  const factors = rows.flatMap((row) => {
    const ratio = ratioOf(row);
    return ratio ? [Math.max(ratio, 1 / ratio)] : [];
  });
  if (factors.length === 0) return undefined;
  const worst = Math.ceil(Math.max(...factors) * 100 - 1e-6) / 100;
  return `each within a factor of ${worst.toFixed(2)} of what was measured`;
}
