import { expect, test } from "vitest";

import { byLane } from "./lanes";

test("what both lanes have at one load stands in one row, in the order of the loads", () => {
  const rows = byLane(
    [
      { lane: "on-prem", x: 10, ms: 4 },
      { lane: "on-prem", x: 1, ms: 3 },
      { lane: "serverless", x: 10, ms: 40 },
    ],
    (row) => row.x,
    (row) => ({ p50: row.ms }),
  );
  expect(rows).toEqual([
    { x: 1, "on-prem p50": 3 },
    { x: 10, "on-prem p50": 4, "serverless p50": 40 },
  ]);
});
