import { describe, expect, test } from "vitest";

import { parse } from "./apis";
import { FIRST_PAUSE_MS, LONGEST_PAUSE_MS, pause_ms } from "./events";
import { ApiProblem, problemOf, retryAfter_s } from "./problems";
import { mayRetryQuery } from "./queries";

describe("Retry-After", () => {
  test("is seconds or a date", () => {
    const now = Date.parse("2026-01-01T00:00:00Z");
    expect(retryAfter_s("7")).toBe(7);
    expect(retryAfter_s("0.5")).toBe(0.5);
    expect(retryAfter_s("Thu, 01 Jan 2026 00:00:30 GMT", now)).toBe(30);
    expect(retryAfter_s("Wed, 31 Dec 2025 23:59:00 GMT", now)).toBe(0);
  });

  test("that makes no sense is none", () => {
    expect(retryAfter_s(null)).toBeUndefined();
    expect(retryAfter_s("soon")).toBeUndefined();
  });
});

describe("a problem", () => {
  test("is told in the API's words", () => {
    const problem = problemOf(422, { code: "unknown_label", detail: "No." }, () => null);
    expect([problem.code, problem.message, problem.passing]).toEqual([
      "unknown_label",
      "No.",
      false,
    ]);
  });

  test("is told all the same where a gateway or a proxy answers", () => {
    expect(problemOf(429, { message: "Too Many Requests" }, () => "3")).toMatchObject({
      code: "http_429",
      message: "Too Many Requests",
      retryAfter_s: 3,
      passing: true,
    });
    expect(problemOf(502, null, () => null).message).toContain("502");
  });

  test("of the request itself is not asked for again", () => {
    expect(mayRetryQuery(0, new ApiProblem(404, "not_found", ""))).toBe(false);
    expect(mayRetryQuery(0, new ApiProblem(503, "store_unavailable", ""))).toBe(true);
    expect(mayRetryQuery(3, new ApiProblem(503, "store_unavailable", ""))).toBe(false);
  });
});

test("asking without news grows rarer, up to a bound", () => {
  expect(pause_ms(0)).toBe(FIRST_PAUSE_MS);
  expect(pause_ms(3)).toBeGreaterThan(pause_ms(2));
  expect(pause_ms(50)).toBe(LONGEST_PAUSE_MS);
});

test("of a configuration, what is no API is left out", () => {
  const written = [
    { name: "cloud", url: "https://a.example/prod/" },
    { name: "", url: "x" },
    { url: 3 },
    {},
  ];
  expect(parse(written)).toEqual([{ name: "cloud", url: "https://a.example/prod" }]);
  expect(parse("https://a.example")).toEqual([]);
});
