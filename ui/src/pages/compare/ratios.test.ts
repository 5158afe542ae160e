import { expect, test } from "vitest";

import { formatRatio, howFarOff, percentileName, ratioOf } from "./ratios";

const row = (value: number, predicted_ms: number) => ({
  lane: "on-prem" as const,
  offered_per_s: 10,
  q: 0.5,
  measured: { value, low: null, high: null },
  predicted_ms,
});

test("percentiles have the names that people give them", () => {
  expect([0.5, 0.9, 0.99, 0.999, 0.07].map(percentileName)).toEqual([
    "p50",
    "p90",
    "p99",
    "p99.9",
    "p7",
  ]);
});

test("a ratio is the prediction over what was measured, and none over nothing", () => {
  expect(ratioOf(row(8, 10))).toBe(1.25);
  expect(ratioOf(row(0, 10))).toBeNull();
  expect([0.934, 1.25, 12.34].map(formatRatio)).toEqual(["× 0.93", "× 1.25", "× 12.3"]);
});

test("too low by a factor is as far off as too high, and none is further off than told", () => {
  expect(howFarOff([row(10, 5), row(10, 15)])).toContain("a factor of 2.00 ");
  expect(howFarOff([row(1000, 1101)])).toContain("a factor of 1.11 ");
  expect(howFarOff([row(0, 10)])).toBeUndefined();
});
