import { expect, test } from "vitest";

import { latencyRows, throughputRows } from "./series-rows";

const point = { lane: "on-prem" as const, failed: 0, p50_ms: 5, p90_ms: 8, p99_ms: 9 };
const series = {
  step_s: 10,
  points: [
    { ...point, at: "2026-01-01T00:00:00+00:00", done: 20 },
    { ...point, at: "2026-01-01T00:00:30+00:00", done: 5, failed: 5 },
    { ...point, at: "2026-01-01T00:00:30+00:00", done: 5, lane: "serverless" as const, p99_ms: 90 },
  ],
};

const span = { minutes: 1, now_ms: Date.parse("2026-01-01T00:00:43Z") };

test("every step of the span is there, with nothing in it where there were no images", () => {
  const rows = throughputRows(series, span);
  expect(rows.map((row) => row.done_per_s)).toEqual([0, 2, 0, 0, 1, 0]);
  expect(rows.map((row) => row.failed_per_s)).toEqual([0, 0, 0, 0, 0.5, 0]);
});

test("where nothing was done there is no latency, rather than none of it", () => {
  const rows = latencyRows(series, span);
  expect(rows.map((row) => row.p99_ms)).toEqual([null, 9, null, null, 90, null]);
});

test("no figures are no rows", () => {
  expect(throughputRows({ ...series, points: [] }, span)).toEqual([]);
});
