/** Typed requests: paths, parameters and answers are those of the API's OpenAPI document. */

import createClient, { type Client } from "openapi-fetch";

import type { Api } from "./apis";
import { askForKey, keyOf } from "./keys";
import { ApiProblem, problemOf, unreachable } from "./problems";
import type { components, paths } from "./schema";

export type About = components["schemas"]["AboutOut"];
export type Prediction = components["schemas"]["Prediction"];
export type Report = components["schemas"]["Report"];
export type Results = components["schemas"]["ResultsOut"];
export type Series = components["schemas"]["SeriesOut"];
export type Stats = components["schemas"]["StatsOut"];
export type Status = Prediction["status"];

const KEY_HEADER = "X-API-Key";

/** The headers that a request to an API needs besides its own. */
export function headersFor(url: string): Record<string, string> {
  const key = keyOf(url);
  return key ? { [KEY_HEADER]: key } : {};
}

/**
 * Likewise for what may be answered by a redirect to elsewhere, as a large picture is: browsers take
 * this header off before they follow one, and would show any other to whoever is there.
 */
export function droppedHeadersFor(url: string): Record<string, string> {
  const key = keyOf(url);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** A fetch that knows the key, and has one error for all that goes wrong. */
export async function fetchFrom(
  url: string,
  request: Request | string,
  signal?: AbortSignal,
  headers = headersFor(url),
): Promise<Response> {
  const asked = new Request(request, signal ? { signal } : undefined);
  for (const [name, value] of Object.entries(headers)) asked.headers.set(name, value);
  let response: Response;
  try {
    response = await fetch(asked);
  } catch (error) {
    if (asked.signal.aborted) throw error;
    throw unreachable();
  }
  if (response.ok) return response;
  if (response.status === 401) askForKey(url);
  const body: unknown = await response.json().catch(() => null);
  throw problemOf(response.status, body, (name) => response.headers.get(name));
}

const clients = new Map<string, Client<paths>>();

/** The client of an API; every request rejects with `ApiProblem` unless it succeeds. */
export function clientOf(api: Api): Client<paths> {
  let client = clients.get(api.url);
  if (!client) {
    client = createClient<paths>({
      baseUrl: new URL(api.url || ".", document.baseURI).href.replace(/\/$/, ""),
      fetch: (request) => fetchFrom(api.url, request),
      querySerializer: { array: { style: "form", explode: true } },
    });
    clients.set(api.url, client);
  }
  return client;
}

/** Takes the answer out of what openapi-fetch returns. */
export async function answer<Data>(request: Promise<{ data?: Data }>): Promise<Data> {
  const { data } = await request;
  if (data === undefined) throw new ApiProblem(0, "empty_answer", "The API's answer is empty.");
  return data;
}
