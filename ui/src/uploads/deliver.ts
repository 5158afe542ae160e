/** Take one batch to the API, by the way that is right for it, and judge what went wrong. */

import type { Api } from "@/api/apis";
import { answer, clientOf, type About, type Prediction } from "@/api/client";
import { pause_ms } from "@/api/events";
import { ApiProblem, problemOf } from "@/api/problems";
import { FORM_BYTES, shares } from "./batches";
import type { Item, State } from "./items";
import { send, SendError, type Sending } from "./send";

const MOST_TRIES = 3; // of files that do not leave the browser though the API answers
const LEAST_BODY_BYTES = 64_000; // a proxy that takes less than this takes no images

export interface Answer {
  row?: Prediction;
  error?: { code: string; detail: string };
}

export interface Delivery {
  readonly keys: readonly number[];
  /** By the items' keys. Rejects when the request as a whole did. */
  readonly answers: Promise<Map<number, Answer>>;
  abort(): void;
}

/** Sends `batch` and tells how many bytes of each file have left. */
export function deliver(
  api: Api,
  batch: readonly Item[],
  about: About,
  onSent: (key: number, bytes: number) => void,
): Delivery {
  const stop = new AbortController();
  let sending: Sending | undefined;
  const begin = (made: Sending) => {
    sending = made;
    if (stop.signal.aborted) made.abort();
    return made.answer;
  };
  return {
    keys: batch.map((item) => item.key),
    answers: answersTo(api, batch, about, onSent, begin),
    abort: () => {
      stop.abort();
      sending?.abort();
    },
  };
}

async function answersTo(
  api: Api,
  batch: readonly Item[],
  about: About,
  onSent: (key: number, bytes: number) => void,
  begin: (made: Sending) => Promise<unknown>,
): Promise<Map<number, Answer>> {
  const [first] = batch;
  if (!first) return new Map();
  if (first.file.size + FORM_BYTES > about.max_body_bytes && about.presigned_uploads) {
    const row = await straightToS3(api, first, (bytes) => onSent(first.key, bytes), begin);
    return new Map([[first.key, { row }]]);
  }
  const form = new FormData();
  for (const item of batch) {
    form.append("files", item.file, item.path.slice(-255));
    form.append("true_label", item.true_label ?? "");
  }
  const sizes = batch.map((item) => item.file.size);
  const tellSent = (bytes: number) =>
    shares(sizes, bytes).forEach((share, n) => batch[n] && onSent(batch[n].key, share));
  const told = await begin(send(api.url, "/upload_batch?wait=0", form, tellSent)).catch(
    (error: unknown) => {
      // Not one of them is acceptable: the reasons are told for each all the same.
      if (error instanceof SendError && error.problem.code === "no_valid_file") {
        return error.problem.members;
      }
      throw error;
    },
  );
  const results = (told as { results?: unknown[] } | null)?.results;
  if (results?.length !== batch.length) {
    throw new SendError(
      new ApiProblem(0, "unexpected_answer", "The answer is not Skylane's."),
      true,
    );
  }
  return new Map(batch.map((item, n) => [item.key, answerOf(results[n])]));
}

function answerOf(result: unknown): Answer {
  const { status, error } = result as { status: string; error: Answer["error"] };
  return status === "rejected" ? (error ? { error } : {}) : { row: result as Prediction };
}

/** What is larger than a request may be goes to S3 by a form that the API signs. */
async function straightToS3(
  api: Api,
  item: Item,
  onSent: (bytes: number) => void,
  begin: (made: Sending) => Promise<unknown>,
): Promise<Prediction> {
  const client = clientOf(api);
  const filename = item.path.slice(-255);
  const body = { filename, true_label: item.true_label ?? null };
  const presigned = await answer(client.POST("/uploads/presign", { body }));
  const form = new FormData();
  for (const [name, value] of Object.entries(presigned.fields)) form.append(name, value);
  form.append("file", item.file);
  await begin(send(api.url, presigned.url, form, onSent));
  return answer(client.POST("/uploads/complete", { body: { key: presigned.key } }));
}

type Failure = { error: { code: string; detail: string } };
export type Next = { body_bytes?: number; pause?: { for_ms: number; why: string } } & (
  | { state: "waiting"; counts?: boolean }
  | (Failure & { state: Extract<State, "rejected" | "unsent" | "unsure"> })
);

/**
 * What becomes of files whose request failed.
 *
 * They are sent again by themselves only where the API cannot have taken them: it refused them,
 * or they never left. Where it may have, a second time would be a second prediction, and that is
 * for the user to say.
 */
export async function afterFailure(
  api: Api,
  error: unknown,
  at: { files: number; tries: number; pauses: number },
): Promise<Next> {
  if (error instanceof DOMException) return { state: "waiting" }; // a neighbour was cancelled
  const sent = error instanceof SendError;
  const problem = sent
    ? error.problem
    : error instanceof ApiProblem
      ? error
      : problemOf(0, null, () => null);
  const told = { code: problem.code, detail: problem.message };
  const again_ms = (problem.retryAfter_s ?? 0) * 1000 || pause_ms(at.pauses + 1);

  if (problem.status === 401) return { state: "waiting" }; // and a key is asked for
  if (problem.status === 429) {
    return { state: "waiting", pause: { for_ms: again_ms, why: "The API asks for a pause." } };
  }
  if (problem.status === 503) {
    return { state: "waiting", pause: { for_ms: again_ms, why: problem.message } };
  }
  if (problem.status === 413 && at.files > 1) {
    // Somebody on the way takes less than the API does: a proxy with a limit of its own.
    const allowed = Number(problem.members["max_bytes"]);
    return { state: "waiting", body_bytes: Math.max(LEAST_BODY_BYTES, allowed || 1_000_000) };
  }
  if (problem.status >= 400 && problem.status < 500) return { state: "rejected", error: told };
  if (sent && error.all_sent) {
    const detail =
      "It was sent, and no answer came: it may have been accepted. See the results before sending it again.";
    return { state: "unsure", error: { code: told.code, detail } };
  }
  if (at.tries >= MOST_TRIES && (await isThere(api))) {
    const detail =
      "The browser could not send it, though the API answers. Can the file still be read?";
    return { state: "unsent", error: { code: "not_sent", detail } };
  }
  return { state: "waiting", counts: true, pause: { for_ms: again_ms, why: problem.message } };
}

async function isThere(api: Api): Promise<boolean> {
  return clientOf(api)
    .GET("/health")
    .then(() => true)
    .catch(() => false);
}
