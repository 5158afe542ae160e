import type { Api } from "@/api/apis";

/** The way to the results that a figure is about. */
export const resultsLink = (api: Api, filters: Record<string, string>) => ({
  pathname: "/results",
  search: `?${new URLSearchParams({ api: api.name, ...filters }).toString()}`,
});
