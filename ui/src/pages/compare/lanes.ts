import type { Report } from "@/api/client";

export type Lane = Report["load"][number]["lane"];

export const LANES: readonly Lane[] = ["on-prem", "serverless"];

const load = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** A lane has the same colour in every chart. */
export const colourOf = (lane: Lane): string => `var(--${lane})`;

/** A load as it is offered, with three figures: measured ones are never round. */
export const formatLoad = (per_s: number): string => `${load.format(per_s)} images/s`;

/** Rows of a chart with a column for each lane, in the order of their x. */
export function byLane<Row extends { lane: Lane }>(
  rows: readonly Row[],
  x: (row: Row) => number,
  y: (row: Row) => Record<string, number | null>,
): Record<string, number | null>[] {
  const merged = new Map<number, Record<string, number | null>>();
  for (const row of rows) {
    const at = merged.get(x(row)) ?? { x: x(row) };
    for (const [name, value] of Object.entries(y(row))) at[`${row.lane} ${name}`.trim()] = value;
    merged.set(x(row), at);
  }
  return [...merged.values()].sort((a, b) => (a["x"] ?? 0) - (b["x"] ?? 0));
}
