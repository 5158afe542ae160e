import { describe, expect, test } from "vitest";

import { BATCH_BYTES, BATCH_FILES, nextBatch, shares } from "./batches";
import type { Item } from "./items";

const limits = { max_body_bytes: 64_000_000, max_batch_files: 1000 };

const files = (...sizes: number[]): Item[] =>
  sizes.map((size, key) => ({
    key,
    file: new File([new Uint8Array(size)], `${key}.jpg`),
    path: `${key}.jpg`,
    true_label: undefined,
    state: "waiting",
    sent_bytes: 0,
    tries: 0,
    request_id: "",
  }));

describe("a batch", () => {
  test("has no more files than are still quick to answer", () => {
    expect(nextBatch(files(...Array<number>(100).fill(2000)), limits)).toHaveLength(BATCH_FILES);
  });

  test("has no more files than the API takes", () => {
    const few = { ...limits, max_batch_files: 3 };
    expect(nextBatch(files(1, 1, 1, 1, 1), few)).toHaveLength(3);
  });

  test("fits the body that the API takes, with the form around each file", () => {
    const small = { ...limits, max_body_bytes: 10_000 };
    expect(nextBatch(files(4000, 4000, 4000), small)).toHaveLength(2);
    expect(nextBatch(files(4500, 4500, 4500), small)).toHaveLength(1);
  });

  test("is a file alone if that is larger than all of it may be", () => {
    expect(nextBatch(files(BATCH_BYTES + 1, 10), limits).map((item) => item.key)).toEqual([0]);
  });

  test("has nobody else in it where a file did not get there before", () => {
    const [good, bad, last] = files(10, 10, 10) as [Item, Item, Item];
    const again = { ...bad, tries: 1 };
    expect(nextBatch([good, again, last], limits)).toEqual([good]);
    expect(nextBatch([again, last], limits)).toEqual([again]);
  });

  test("of nothing is nothing", () => {
    expect(nextBatch([], limits)).toEqual([]);
  });
});

test("what was sent of a form is shared by its files in their order", () => {
  expect(shares([10, 20, 30], 0)).toEqual([0, 0, 0]);
  expect(shares([10, 20, 30], 15)).toEqual([10, 5, 0]);
  expect(shares([10, 20, 30], 999)).toEqual([10, 20, 30]);
});
