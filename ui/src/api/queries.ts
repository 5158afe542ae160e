/** What the pages ask of an API, how long an answer is fresh, and when to ask again. */

import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";

import type { Api } from "./apis";
import { answer, clientOf, fetchFrom, type Report } from "./client";
import { ApiProblem } from "./problems";

export const PAGE_ROWS = 100;
const LIVE_MS = 5000;
const FORMAT: Report["format"] = "skylane-report/1";

// What the format has got since: a report that was made before has none of it.
const ADDED = {
  table: [],
  stages: [],
  cold_start_steps: [],
  predicted: [],
  simulated: [],
  assumptions: [],
} satisfies Partial<Report>;
const AWAY_MS = 2000; // between questions to an API that does not answer

/** What is wrong with the request will be wrong with it the next time too. */
export function mayRetryQuery(failures: number, error: Error): boolean {
  return failures < 3 && (!(error instanceof ApiProblem) || error.passing);
}

export const aboutQuery = (api: Api) =>
  queryOptions({
    queryKey: [api.url, "about"],
    queryFn: () => answer(clientOf(api).GET("/about")),
    staleTime: 60_000,
    retry: false,
    // It is also how the page notices that an API went away, and that it came back.
    refetchInterval: (query) => (query.state.error ? AWAY_MS : LIVE_MS),
  });

export interface Filters {
  label?: string;
  true_label?: string;
  status?: "pending" | "running" | "done" | "failed";
  lane?: "on-prem" | "serverless";
  correct?: boolean;
  search?: string;
}

export type Sort = "-accepted_at" | "accepted_at" | "-confidence" | "confidence";

export const resultsQuery = (api: Api, filters: Filters, sort: Sort) =>
  infiniteQueryOptions({
    queryKey: [api.url, "results", filters, sort],
    queryFn: ({ pageParam, signal }) =>
      answer(
        clientOf(api).GET("/results", {
          params: { query: { ...filters, sort, limit: PAGE_ROWS, cursor: pageParam } },
          signal,
        }),
      ),
    refetchOnWindowFocus: false, // of all pages that were loaded, one by one
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    // Who has scrolled down reads; who has not watches.
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) <= 1 ? LIVE_MS : false),
  });

export const resultQuery = (api: Api, request_id: string) =>
  queryOptions({
    queryKey: [api.url, "result", request_id],
    queryFn: () =>
      answer(clientOf(api).GET("/results/{request_id}", { params: { path: { request_id } } })),
    refetchInterval: ({ state }) => {
      const final = state.error instanceof ApiProblem && !state.error.passing;
      return final || state.data?.finished_at ? false : 1000;
    },
  });

export const statsQuery = (api: Api) =>
  queryOptions({
    queryKey: [api.url, "stats"],
    queryFn: () => answer(clientOf(api).GET("/stats")),
    refetchInterval: LIVE_MS,
  });

export const seriesQuery = (api: Api, minutes: number) =>
  queryOptions({
    queryKey: [api.url, "series", minutes],
    queryFn: async () => {
      const query = clientOf(api).GET("/stats/series", { params: { query: { minutes } } });
      return { series: await answer(query), span: { minutes, now_ms: Date.now() } };
    },
    refetchInterval: LIVE_MS,
    placeholderData: keepPreviousData,
  });

/** The report lies beside the page: the on-prem API has it there, and so may a static host. */
export const reportQuery = () =>
  queryOptions({
    queryKey: ["report"],
    queryFn: async () => {
      const address = new URL("report.json", document.baseURI).href;
      const report: unknown = await (await fetchFrom("", address)).json();
      if ((report as { format?: unknown } | null)?.format !== FORMAT) {
        throw new ApiProblem(200, "bad_report", `report.json is no ${FORMAT}.`);
      }
      return { ...ADDED, ...(report as Report) };
    },
    staleTime: 60_000,
  });
