/** One file on its way, and where it may be. */

import type { Prediction } from "@/api/client";

/**
 * waiting → sending → queued → running → done | failed, and besides:
 * `rejected`: the API will not have it. `unsent`: it did not get there, however often it was
 * tried. `cancelled`: by the user, before it had left.
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
  | "cancelled";

export interface Told {
  code: string;
  detail: string;
}

export interface Item {
  readonly key: number;
  /** Ours, and sent along: however often a file is sent, there is one prediction of it. */
  readonly request_id: string;
  readonly file: File;
  /** Its path inside the folder that was dropped, or its name. */
  readonly path: string;
  readonly true_label: string | undefined;
  readonly state: State;
  readonly sent_bytes: number;
  /** How often it was tried while the API was there, and did not get there. */
  readonly tries: number;
  readonly row?: Prediction;
  readonly error?: Told;
}

export const ENDED: ReadonlySet<State> = new Set<State>([
  "done",
  "failed",
  "rejected",
  "unsent",
  "cancelled",
]);

/** Failed for a reason that is not in the image: sending it once more may help. */
export function mayRetry(item: Item): boolean {
  if (item.state === "failed") {
    return ["worker_died", "image_missing", "no_prediction"].includes(item.error?.code ?? "");
  }
  return item.state === "unsent" || item.state === "cancelled";
}

/** The state of the page's item for the state of the API's row. */
export function stateOf(row: Prediction): State {
  return row.status === "pending" ? "queued" : row.status;
}
