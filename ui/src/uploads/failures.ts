/** What becomes of files whose request failed as a whole. */

import type { Api } from "@/api/apis";
import { clientOf } from "@/api/client";
import { pause_ms } from "@/api/events";
import { ApiProblem } from "@/api/problems";
import type { Told } from "./items";

const MOST_TRIES = 3; // of a file that does not get there though the API answers

/** What is known of the request that failed. */
export interface Attempt {
  files: number;
  bytes: number;
  /** Of these files before, while the API was there. */
  tries: number;
  /** That followed each other before this, without a success. */
  pauses: number;
}

export interface Next {
  /** Send them again, once a pause is over; or tell the user why not. */
  state: "waiting" | "rejected" | "unsent";
  error?: Told;
  /** It was a try that counts. */
  counts?: boolean;
  /** No request may be larger than this from now on. */
  body_bytes?: number;
  pause?: { for_ms: number; why: string };
}

/**
 * Judges a failure. Each file has a request id of ours, so that sending one a second time makes no
 * second prediction: whatever may pass is tried again.
 */
export async function afterFailure(api: Api, error: unknown, attempt: Attempt): Promise<Next> {
  if (error instanceof DOMException) return { state: "waiting" }; // a neighbour was cancelled
  if (!(error instanceof ApiProblem)) {
    return { state: "unsent", error: { code: "unforeseen", detail: String(error) } };
  }
  const told = { code: error.code, detail: error.message };
  const for_ms = (error.retryAfter_s ?? 0) * 1000 || pause_ms(attempt.pauses + 1);
  const pause = { for_ms, why: error.status === 429 ? "The API asks for a pause." : error.message };

  if (error.status === 401) return { state: "waiting" }; // and a key is asked for
  if (error.code === "not_completed") return { state: "unsent", error: told };
  if (error.status === 429 || error.status === 503) return { state: "waiting", pause };
  if (error.status === 413 && attempt.files > 1) {
    // Somebody on the way takes less than the API says it does: a proxy with a limit of its own.
    return { state: "waiting", body_bytes: Math.floor(attempt.bytes / 2) };
  }
  if (error.status >= 400 && error.status < 500) return { state: "rejected", error: told };
  if (!(await isThere(api))) return { state: "waiting", pause };
  if (attempt.tries + 1 < MOST_TRIES) return { state: "waiting", counts: true, pause };
  if (error.status !== 0) return { state: "unsent", error: told };
  const detail =
    "The browser could not send it, though the API answers. Can the file still be read?";
  return { state: "unsent", error: { code: "not_sent", detail } };
}

async function isThere(api: Api): Promise<boolean> {
  return clientOf(api)
    .GET("/health")
    .then(() => true)
    .catch(() => false);
}
