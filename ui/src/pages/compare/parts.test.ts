import { expect, test } from "vitest";

import { boundsOf, colourOfPart, stageNames, stagesByLoad, stepsByMemory, sumOf } from "./parts";

const stage = (
  lane: "on-prem" | "serverless",
  offered_per_s: number,
  stage: string,
  p50_ms: number | null,
) => ({ lane, offered_per_s, stage, p50_ms, p90_ms: p50_ms && p50_ms * 2 });

test("stages stand in an image's order, whatever the order of the report", () => {
  const rows = ["record", "polish", "queue", "accept"].map((name) => stage("on-prem", 1, name, 1));
  expect(stageNames(rows)).toEqual(["accept", "queue", "record", "polish"]);
});

test("both lanes stand beside each other at the same load, the lowest first", () => {
  const groups = stagesByLoad([
    stage("serverless", 100.02, "infer", 6),
    stage("on-prem", 100.04, "queue", 3),
    stage("on-prem", 100.04, "infer", 2),
    stage("on-prem", 5, "infer", null),
  ]);
  expect(groups).toEqual([
    {
      title: "5 images/s",
      bars: [
        {
          title: "on-prem",
          parts: [
            { name: "queue", ms: null },
            { name: "infer", ms: null },
          ],
        },
      ],
    },
    {
      title: "100 images/s",
      bars: [
        {
          title: "on-prem",
          parts: [
            { name: "queue", ms: 3, below: "6.00 ms" },
            { name: "infer", ms: 2, below: "4.00 ms" },
          ],
        },
        {
          title: "serverless",
          parts: [
            { name: "queue", ms: null },
            { name: "infer", ms: 6, below: "12.0 ms" },
          ],
        },
      ],
    },
  ]);
  expect(groups.flatMap((group) => group.bars.map(sumOf))).toEqual([0, 5, 6]);
});

test("steps stand by memory, and in that by backend", () => {
  const step = (backend: string, memory_mb: number, step: string, value: number) => ({
    ...{ backend, memory_mb, step },
    ms: { value, low: null, high: null },
  });
  const groups = stepsByMemory([
    step("torch", 1769, "imports", 900),
    step("int8", 512, "imports", 800),
    step("int8", 512, "model", 400),
    step("torch", 512, "imports", 3000),
  ]);
  expect(groups.map(({ title, bars }) => [title, ...bars.map((bar) => bar.title)])).toEqual([
    ["512 MB", "torch", "int8"],
    ["1769 MB", "torch"],
  ]);
  expect(groups[0]?.bars.map(sumOf)).toEqual([3000, 1200]);
});

test("bounds are told where both are known", () => {
  expect(boundsOf({ value: 1, low: 0.5, high: 2 })).toBe("0.50 ms to 2.00 ms");
  expect(boundsOf({ value: 1, low: 0.5, high: null })).toBeUndefined();
});

test("a stage has its own colour, and any other part that of its place", () => {
  expect(colourOfPart("infer", 0)).toBe("var(--infer)");
  expect([0, 1, 6].map((place) => colourOfPart("imports", place))).toEqual([
    "var(--queue)",
    "var(--fetch)",
    "var(--queue)",
  ]);
});
