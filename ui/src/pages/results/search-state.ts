/** What is shown is in the page's address, so that a link shows the same to whoever gets it. */

import { useCallback, useMemo } from "react";
import { useSearchParams } from "react-router";

import type { Filters, Sort } from "@/api/queries";

const STATUSES = ["pending", "running", "done", "failed"] as const;
const LANES = ["on-prem", "serverless"] as const;
export const SORTS: Record<Sort, string> = {
  "-accepted_at": "newest first",
  accepted_at: "oldest first",
  "-confidence": "surest first",
  confidence: "least sure first",
};
const NEWEST: Sort = "-accepted_at";

export interface SearchState {
  filters: Filters;
  sort: Sort;
  /** The result that is looked at closely. */
  id: string | undefined;
}

/** Reads an address; what makes no sense in it is left out. */
export function read(search: URLSearchParams): SearchState {
  const one = <T extends string>(name: string, among: readonly T[]) =>
    among.find((value) => value === search.get(name));
  const text = (name: string) => search.get(name) ?? undefined;
  const correct = one("correct", ["true", "false"]);
  const filters: Filters = {
    label: text("label"),
    true_label: text("true_label"),
    status: one("status", STATUSES),
    lane: one("lane", LANES),
    correct: correct && correct === "true",
    search: text("search")?.slice(0, 100),
  };
  const given = Object.entries(filters).filter(([, value]) => value !== undefined && value !== "");
  return {
    filters: Object.fromEntries(given),
    sort: one("sort", Object.keys(SORTS) as Sort[]) ?? NEWEST,
    id: text("id"),
  };
}

/** Changes an address: "" and undefined take a name out of it. */
export function changed(
  search: URLSearchParams,
  change: Record<string, string | undefined>,
): URLSearchParams {
  const next = new URLSearchParams(search);
  for (const [name, value] of Object.entries(change)) {
    if (value && !(name === "sort" && value === NEWEST)) next.set(name, value);
    else next.delete(name);
  }
  return next;
}

export function useSearchState() {
  const [search, setSearch] = useSearchParams();
  const state = useMemo(() => read(search), [search]);
  const change = useCallback(
    (values: Record<string, string | undefined>, replace = false) =>
      setSearch((before) => changed(before, values), { replace }),
    [setSearch],
  );
  return { ...state, change };
}
