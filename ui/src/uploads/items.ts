/** One file on its way, and where it may be. */

import type { Prediction } from "@/api/client";

/**
 * waiting → sending → queued → running → done | failed, and besides:
 * `rejected`: the API will not have it. `unsent`: it did not arrive. `unsure`: it was sent in
 * full and not answered, so it may have been accepted. `cancelled`: by the user.
 */
export type State =
  | "waiting"
  | "sending"
  | "queued"
  | "running"
  | "done"
  | "failed"
  | "rejected"
  | "unsent"
  | "unsure"
  | "cancelled";

export interface Item {
  readonly key: number;
  readonly file: File;
  /** Its path inside the folder that was dropped, or its name. */
  readonly path: string;
  readonly true_label: string | undefined;
  readonly state: State;
  readonly sent_bytes: number;
  readonly row?: Prediction;
  readonly error?: { code: string; detail: string };
}

export const ENDED: ReadonlySet<State> = new Set<State>([
  "done",
  "failed",
  "rejected",
  "unsent",
  "unsure",
  "cancelled",
]);

/** Failed for a reason that is not in the image: sending it once more may help. */
export function mayRetry(item: Item): boolean {
  if (item.state === "failed") {
    return item.error?.code === "worker_died" || item.error?.code === "image_missing";
  }
  return item.state === "unsent" || item.state === "unsure" || item.state === "cancelled";
}

/** The state of the page's item for the state of the API's row. */
export function stateOf(row: Prediction): State {
  return row.status === "pending" ? "queued" : row.status;
}
