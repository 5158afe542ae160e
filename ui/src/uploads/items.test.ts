import { expect, test } from "vitest";

import { isMeant } from "./files";
import { type Item, mayRetry } from "./items";
import { labelOf } from "./queue";

const item = (state: Item["state"], code?: string): Item => ({
  key: 1,
  file: new File([], "a.jpg"),
  path: "a.jpg",
  true_label: undefined,
  state,
  sent_bytes: 0,
  tries: 0,
  request_id: "",
  ...(code ? { error: { code, detail: "" } } : {}),
});

test("only what another try may help is offered again", () => {
  expect(["unsent", "cancelled"].every((state) => mayRetry(item(state as Item["state"])))).toBe(
    true,
  );
  expect(mayRetry(item("failed", "worker_died"))).toBe(true);
  expect(mayRetry(item("failed", "no_prediction"))).toBe(true);
  expect(mayRetry(item("failed", "truncated_image"))).toBe(false);
  expect(mayRetry(item("rejected", "not_an_image"))).toBe(false);
  expect(mayRetry(item("done"))).toBe(false);
});

test("the label is the folder right above the file, if it is a class", () => {
  const labels = ["Forest", "River"];
  expect(labelOf("eurosat/Forest/Forest_1.jpg", labels)).toBe("Forest");
  expect(labelOf("Forest/raw/Forest_1.jpg", labels)).toBeUndefined();
  expect(labelOf("Forest_1.jpg", labels)).toBeUndefined();
  expect(labelOf("forest/1.jpg", labels)).toBeUndefined();
});

test("of a folder the images are sent, and a file that is chosen itself whatever its name", () => {
  const inFolders = [
    "tiles/LICENSE",
    "tiles/.DS_Store",
    "__MACOSX/a.jpg",
    "a/._b.jpg",
    ".git/a.png",
  ];
  expect(inFolders.some(isMeant)).toBe(false);
  expect(["tiles/a b.v2.TIFF", "tiles/Forest/1.jpeg", "no-suffix"].every(isMeant)).toBe(true);
});
