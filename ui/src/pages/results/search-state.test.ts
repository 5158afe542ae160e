import { expect, test } from "vitest";

import { changed, read } from "./search-state";

test("an address says what is shown", () => {
  const search = new URLSearchParams(
    "label=River&correct=false&search=river&sort=confidence&id=abc",
  );
  expect(read(search)).toEqual({
    filters: { label: "River", correct: false, search: "river" },
    sort: "confidence",
    id: "abc",
  });
});

test("what makes no sense in an address is left out", () => {
  const search = new URLSearchParams("status=lost&lane=moon&correct=maybe&sort=size&search=");
  expect(read(search)).toEqual({ filters: {}, sort: "-accepted_at", id: undefined });
});

test("an address holds no more than differs from what is shown anyway", () => {
  const search = changed(new URLSearchParams("api=cloud&label=River&sort=confidence"), {
    label: "",
    status: "done",
    sort: "-accepted_at",
  });
  expect(search.toString()).toBe("api=cloud&status=done");
});
