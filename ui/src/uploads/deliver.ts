/** Take one batch to the API, by the way that is right for it. */

import type { Api } from "@/api/apis";
import { answer, clientOf, type About, type Prediction } from "@/api/client";
import { pause_ms } from "@/api/events";
import { ApiProblem } from "@/api/problems";
import { FORM_BYTES, shares } from "./batches";
import type { Item, Told } from "./items";
import { sendToApi, sendToS3, type Sending } from "./send";

const COMPLETE_TRIES = 6;

export interface Answer {
  row?: Prediction;
  error?: Told;
}

export interface Delivery {
  readonly keys: readonly number[];
  /** By the items' keys. Rejects when the request as a whole did. */
  readonly answers: Promise<Map<number, Answer>>;
  /** Stops it, and tells whether it did: once all of it has left, its answer counts. */
  abort(): boolean;
}

type Begin = (made: Sending) => Promise<unknown>;
type OnSent = (key: number, bytes: number) => void;

/** Sends `batch` and tells how many bytes of each file have left. */
export function deliver(api: Api, batch: readonly Item[], about: About, onSent: OnSent): Delivery {
  let sending: Sending | undefined;
  let stopped = false;
  const begin: Begin = (made) => {
    sending = made;
    if (stopped) made.abort();
    return made.answer;
  };
  const [first] = batch;
  const alone = first && first.file.size + FORM_BYTES > about.max_body_bytes;
  return {
    keys: batch.map((item) => item.key),
    answers:
      alone && about.presigned_uploads
        ? straightToS3(api, first, onSent, begin)
        : byForm(api, batch, onSent, begin),
    abort: () => {
      if (sending) return sending.abort();
      return (stopped = true); // a form is still being signed for it
    },
  };
}

async function byForm(
  api: Api,
  batch: readonly Item[],
  onSent: OnSent,
  begin: Begin,
): Promise<Map<number, Answer>> {
  const form = new FormData();
  for (const item of batch) {
    form.append("files", item.file, item.path.slice(-255));
    form.append("true_label", item.true_label ?? "");
    form.append("request_id", item.request_id);
  }
  const sizes = batch.map((item) => item.file.size);
  const tellSent = (bytes: number) =>
    shares(sizes, bytes).forEach((share, n) => batch[n] && onSent(batch[n].key, share));
  const sending = sendToApi(api.url, "/upload_batch?wait=0", form, tellSent);
  const told = await begin(sending).catch((error: unknown) => {
    // Not one of them is acceptable: the reasons are told for each all the same.
    if (error instanceof ApiProblem && error.code === "no_valid_file") return error.members;
    throw error;
  });
  const results = (told as { results?: unknown[] } | null)?.results;
  if (results?.length !== batch.length) {
    throw new ApiProblem(200, "unexpected_answer", "The answer is none of Skylane's.");
  }
  return new Map(batch.map((item, n) => [item.key, answerOf(results[n])]));
}

function answerOf(result: unknown): Answer {
  const { status, error } = result as { status: string; error: Told | null };
  if (status !== "rejected") return { row: result as Prediction };
  return error ? { error } : {};
}

/** What is larger than a request may be goes to S3 by a form that the API signs. */
async function straightToS3(
  api: Api,
  item: Item,
  onSent: OnSent,
  begin: Begin,
): Promise<Map<number, Answer>> {
  const client = clientOf(api);
  const body = { filename: item.path.slice(-255), true_label: item.true_label ?? null };
  const presigned = await answer(client.POST("/uploads/presign", { body }));
  const form = new FormData();
  for (const [name, value] of Object.entries(presigned.fields)) form.append(name, value);
  form.append("file", item.file);
  await begin(sendToS3(presigned.url, form, (bytes) => onSent(item.key, bytes)));
  const row = await complete(api, presigned.key);
  return new Map([[item.key, { row }]]);
}

/** Says that an object is there, again if need be: sending it anew would make another image. */
async function complete(api: Api, key: string): Promise<Prediction> {
  for (let tries = 1; ; tries++) {
    try {
      return await answer(clientOf(api).POST("/uploads/complete", { body: { key } }));
    } catch (error) {
      if (!(error instanceof ApiProblem) || !error.passing) throw error;
      if (tries === COMPLETE_TRIES) {
        const detail =
          "It is on S3, but the API could not be told. See the results before sending it again.";
        throw new ApiProblem(error.status, "not_completed", detail);
      }
      await new Promise((resolve) =>
        setTimeout(resolve, (error.retryAfter_s ?? 0) * 1000 || pause_ms(tries)),
      );
    }
  }
}
