/** The files on their way to one API: a few requests at a time, and none is lost on the way. */

import type { About, Prediction } from "@/api/client";
import type { Api } from "@/api/apis";
import { Follower, isFinished } from "@/api/events";
import { onKeys, keyWanted } from "@/api/keys";
import { nextBatch } from "./batches";
import { afterFailure, deliver, type Delivery } from "./deliver";
import { ENDED, mayRetry, stateOf, type Item, type State } from "./items";

export const PARALLEL = 3; // requests; a browser allows six to a host, and one is the stream's
const TELL_EVERY_MS = 50;

export interface Snapshot {
  readonly items: readonly Item[];
  readonly counts: Readonly<Record<State, number>>;
  /** Until when nothing is sent, because the API asked for that or is away; epoch in ms. */
  readonly paused_until_ms: number;
  readonly why_paused: string;
}

export interface Picked {
  file: File;
  path: string;
}

/** A store for `useSyncExternalStore`. It lives as long as the page, whatever part is shown. */
export class UploadQueue {
  readonly #items = new Map<number, Item>();
  #waiting: number[] = [];
  readonly #sending = new Set<Delivery>();
  readonly #listeners = new Set<() => void>();
  readonly #keys = new Map<string, number>(); // request id → key of its item
  readonly #tries = new Map<number, number>();
  readonly #follower: Follower;
  #snapshot: Snapshot = snapshotOf([], 0, "");
  #paused_until_ms = 0;
  #why_paused = "";
  #pauses = 0; // one after the other, without an answer in between
  #telling = false;
  #next = 1;
  #about: About | undefined;

  constructor(private readonly api: Api) {
    this.#follower = new Follower(
      api,
      () => this.#about?.events === true,
      (row) => this.#update(row),
    );
    onKeys(() => keyWanted() !== api.url && this.#pump());
  }

  /** Tells what the API takes. Nothing is sent before that is known. */
  learn(about: About): void {
    this.#about = about;
    this.#pump();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly getSnapshot = (): Snapshot => this.#snapshot;

  add(picked: readonly Picked[]): void {
    for (const { file, path } of picked) {
      const key = this.#next++;
      const item = { key, file, path, true_label: undefined, sent_bytes: 0 };
      this.#items.set(key, { ...item, state: "waiting" });
      this.#waiting.push(key);
    }
    this.#pump();
    this.#tell();
  }

  /** Cancels what has not been accepted yet: one file, or all. */
  cancel(key?: number): void {
    const meant = (item: Item) => key === undefined || item.key === key;
    for (const item of this.#items.values()) {
      const open = item.state === "waiting" || item.state === "sending";
      if (open && meant(item)) this.#set(item.key, { state: "cancelled", sent_bytes: 0 });
    }
    this.#waiting = this.#waiting.filter((one) => this.#items.get(one)?.state === "waiting");
    // Files that travel with a cancelled one are sent again, in a form without it.
    for (const delivery of this.#sending) {
      if (delivery.keys.some((one) => this.#items.get(one)?.state === "cancelled")) {
        delivery.abort();
      }
    }
  }

  /** Sends once more what may succeed now: one file, or all such. */
  retry(key?: number): void {
    for (const item of this.#items.values()) {
      if ((key === undefined || item.key === key) && mayRetry(item)) {
        const { row, error, ...rest } = item;
        if (row) this.#keys.delete(row.request_id);
        if (error) this.#tries.delete(item.key);
        this.#items.set(item.key, { ...rest, state: "waiting", sent_bytes: 0 });
        this.#waiting.push(item.key);
      }
    }
    this.#pump();
    this.#tell();
  }

  /** Takes off the list what has ended. The results stay with the API. */
  clear(): void {
    for (const item of this.#items.values()) {
      if (!ENDED.has(item.state)) continue;
      this.#items.delete(item.key);
      this.#tries.delete(item.key);
      if (item.row) this.#keys.delete(item.row.request_id);
    }
    this.#tell();
  }

  #pump(): void {
    const about = this.#about;
    if (!about || keyWanted() === this.api.url || Date.now() < this.#paused_until_ms) return;
    this.#refuseTooLarge(about.max_image_bytes);
    while (this.#sending.size < PARALLEL && this.#waiting.length > 0) {
      const waiting = this.#waiting.flatMap((key) => this.#items.get(key) ?? []);
      const batch = nextBatch(waiting, about).map((item) => ({
        ...item,
        true_label: labelOf(item.path, about.labels),
      }));
      this.#waiting = this.#waiting.slice(batch.length);
      void this.#send(batch, about);
    }
  }

  #refuseTooLarge(max_bytes: number): void {
    this.#waiting = this.#waiting.filter((key) => {
      const size = this.#items.get(key)?.file.size ?? 0;
      if (size <= max_bytes) return true;
      const detail = `The file has ${size} bytes; at most ${max_bytes} are accepted.`;
      this.#set(key, { state: "rejected", error: { code: "image_bytes_too_many", detail } });
      return false;
    });
  }

  async #send(batch: Item[], about: About): Promise<void> {
    for (const item of batch) this.#set(item.key, { ...item, state: "sending" });
    const delivery = deliver(this.api, batch, about, (key, sent_bytes) => {
      if (this.#items.get(key)?.state === "sending") this.#set(key, { sent_bytes });
    });
    this.#sending.add(delivery);
    try {
      const answers = await delivery.answers;
      this.#pauses = 0;
      const rows: Prediction[] = [];
      for (const [key, { row, error }] of answers) {
        if (row) {
          this.#keys.set(row.request_id, key);
          this.#set(key, {
            row,
            state: "queued",
            sent_bytes: this.#items.get(key)?.file.size ?? 0,
          });
          this.#update(row);
          if (!isFinished(row)) rows.push(row);
        } else {
          this.#set(key, { state: "rejected", ...(error ? { error } : {}) });
        }
      }
      this.#follower.add(rows.map((row) => row.request_id));
    } catch (error) {
      const left = batch.filter((item) => this.#items.get(item.key)?.state === "sending");
      await this.#recover(left, error, about);
    } finally {
      this.#sending.delete(delivery);
      this.#pump();
    }
  }

  async #recover(batch: Item[], error: unknown, about: About): Promise<void> {
    const tries = Math.max(0, ...batch.map((item) => this.#tries.get(item.key) ?? 0));
    const next = await afterFailure(this.api, error, {
      files: batch.length,
      tries,
      pauses: this.#pauses,
    });
    if (next.body_bytes) this.#about = { ...about, max_body_bytes: next.body_bytes };
    if (next.pause) {
      this.#pauses += 1;
      this.#pause(next.pause.for_ms, next.pause.why);
    }
    for (const item of batch) {
      if (this.#items.get(item.key)?.state !== "sending") continue; // cancelled meanwhile
      if (next.state === "waiting") {
        if (next.counts) this.#tries.set(item.key, tries + 1);
        this.#set(item.key, { state: "waiting", sent_bytes: 0 });
      } else {
        this.#set(item.key, { state: next.state, error: next.error, sent_bytes: 0 });
      }
    }
    if (next.state === "waiting") {
      this.#waiting.unshift(...batch.map((item) => item.key).filter((key) => this.#isWaiting(key)));
    }
  }

  #isWaiting(key: number): boolean {
    return this.#items.get(key)?.state === "waiting";
  }

  #pause(for_ms: number, why: string): void {
    this.#paused_until_ms = Math.max(this.#paused_until_ms, Date.now() + for_ms);
    this.#why_paused = why;
    setTimeout(() => {
      this.#pump();
      this.#tell();
    }, for_ms + 1);
    this.#tell();
  }

  #update(row: Prediction): void {
    const key = this.#keys.get(row.request_id);
    if (key === undefined) return;
    this.#set(key, { row, state: stateOf(row), ...(row.error ? { error: row.error } : {}) });
  }

  #set(key: number, change: Partial<Item>): void {
    const item = this.#items.get(key);
    if (!item) return;
    this.#items.set(key, { ...item, ...change });
    this.#tell();
  }

  /** Tells who listens, but not for each of a thousand changes by itself. */
  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    setTimeout(() => {
      this.#telling = false;
      const paused = Date.now() < this.#paused_until_ms;
      this.#snapshot = snapshotOf(
        [...this.#items.values()],
        paused ? this.#paused_until_ms : 0,
        paused ? this.#why_paused : "",
      );
      for (const listener of this.#listeners) listener();
    }, TELL_EVERY_MS);
  }
}

/** The class that a file's folder is named as, if it is. */
export function labelOf(path: string, labels: readonly string[]): string | undefined {
  const folder = path.split("/").at(-2);
  return labels.find((label) => label === folder);
}

function snapshotOf(items: Item[], paused_until_ms: number, why_paused: string): Snapshot {
  const counts: Record<State, number> = {
    ...{ waiting: 0, sending: 0, queued: 0, running: 0, done: 0, failed: 0 },
    ...{ rejected: 0, unsent: 0, unsure: 0, cancelled: 0 },
  };
  for (const item of items) counts[item.state] += 1;
  return { items, counts, paused_until_ms, why_paused };
}
