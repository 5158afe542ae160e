import { expect, test } from "vitest";

import { formatAgo, formatBytes, formatLabel, formatMs, formatRate, formatShare } from "./format";

test("durations have three figures and the unit that fits", () => {
  expect([0.4213, 8.126, 12.04, 245.4, 999.4, 999.6, 3204, 125_000].map(formatMs)).toEqual([
    "0.42 ms",
    "8.13 ms",
    "12.0 ms",
    "245 ms",
    "999 ms",
    "1.00 s",
    "3.20 s",
    "2.1 min",
  ]);
});

test("less than all is never written as all", () => {
  expect(formatShare(0.99996)).toBe("99.9 %");
  expect(formatShare(1)).toBe("100.0 %");
  expect(formatShare(0.07)).toBe("7.0 %");
});

test("a time ahead of ours is now", () => {
  const now = new Date("2026-01-01T12:00:00Z");
  expect(formatAgo(new Date("2026-01-01T12:00:03Z"), now)).toBe("now");
  expect(formatAgo(new Date("2026-01-01T11:59:15Z"), now)).toBe("45 sec. ago");
  expect(formatAgo(new Date("2026-01-01T09:30:00Z"), now)).toBe("2 hr. ago");
  expect(formatAgo(new Date("2025-12-29T12:00:00Z"), now)).toBe("3 days ago");
});

test("labels are read as words", () => {
  expect(formatLabel("AnnualCrop")).toBe("Annual crop");
  expect(formatLabel("herbaceous_vegetation")).toBe("Herbaceous vegetation");
  expect(formatLabel("cat")).toBe("Cat");
});

test("bytes are told in steps of a thousand", () => {
  expect([12, 1500, 10_485_760].map(formatBytes)).toEqual(["12 B", "1.5 kB", "10.5 MB"]);
});

test("a low rate is not none", () => {
  expect([0, 0.00278, 0.5, 8.24, 430.4].map(formatRate)).toEqual([
    "0",
    "0.0028",
    "0.5",
    "8.2",
    "430",
  ]);
});
