/** The API's points as rows of a chart: every step of the span is there, also where nothing was. */

export interface Span {
  /** What the API was asked for. */
  minutes: number;
  /** The end of it; epoch in ms. */
  now_ms: number;
}

import type { Series } from "@/api/client";

interface ThroughputRow {
  at_ms: number;
  done_per_s: number;
  failed_per_s: number;
}

/** Adds up the lanes of each step; a step without a point had no images. */
export function throughputRows(series: Series, span: Span): ThroughputRow[] {
  return filled(series, span, (at_ms, points, step_s) => ({
    at_ms,
    done_per_s: sum(points.map((point) => point.done)) / step_s,
    failed_per_s: sum(points.map((point) => point.failed)) / step_s,
  }));
}

interface LatencyRow {
  at_ms: number;
  p50_ms: number | null;
  p90_ms: number | null;
  p99_ms: number | null;
}

/** The slower lane of each step; a step without images has no latency, and the line a gap. */
export function latencyRows(series: Series, span: Span): LatencyRow[] {
  const highest = (values: (number | null | undefined)[]) => {
    const known = values.filter((value) => value != null);
    return known.length > 0 ? Math.max(...known) : null;
  };
  return filled(series, span, (at_ms, points) => ({
    at_ms,
    p50_ms: highest(points.map((point) => point.p50_ms)),
    p90_ms: highest(points.map((point) => point.p90_ms)),
    p99_ms: highest(points.map((point) => point.p99_ms)),
  }));
}

type Point = Series["points"][number];

function filled<Row>(
  series: Series,
  { minutes, now_ms }: Span,
  row: (at_ms: number, points: Point[], step_s: number) => Row,
): Row[] {
  if (series.points.length === 0) return [];
  const step_ms = series.step_s * 1000;
  const byTime = Map.groupBy(series.points, (point) => Date.parse(point.at));
  const times = [...byTime.keys()];
  // From point to point of the API's, whose clock may differ from ours, and on to both ends.
  const some_ms = times[0] ?? now_ms;
  const steps = (ms: number) => Math.ceil((ms - some_ms) / step_ms) * step_ms + some_ms;
  const first_ms = Math.min(...times, steps(now_ms - minutes * 60_000));
  const last_ms = Math.max(...times, steps(now_ms) - step_ms);
  const rows: Row[] = [];
  for (let at_ms = first_ms; at_ms <= last_ms; at_ms += step_ms) {
    rows.push(row(at_ms, byTime.get(at_ms) ?? [], series.step_s));
  }
  return rows;
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
