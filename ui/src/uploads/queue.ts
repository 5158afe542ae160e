/** The files on their way to one API: a few requests at a time, and none is lost on the way. */

import type { About, Prediction } from "@/api/client";
import type { Api } from "@/api/apis";
import { Follower, isFinished } from "@/api/events";
import { lacksKey, onKeys } from "@/api/keys";
import { uuid } from "@/lib/uuid";
import { nextBatch } from "./batches";
import { type Answer, deliver, type Delivery } from "./deliver";
import { afterFailure } from "./failures";
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
  #open = 0; // requests
  #limits: { max_body_bytes?: number } = {}; // that were found out, below what the API says
  readonly #listeners = new Set<() => void>();
  readonly #keys = new Map<string, number>(); // request id → key of its item
  // Which delivery each file is in. What comes of an earlier one, that was cancelled, is no news.
  readonly #inHands = new Map<number, Delivery>();
  readonly #follower: Follower;
  #snapshot: Snapshot = snapshotOf([], 0, "");
  #paused_until_ms = 0;
  #why_paused = "";
  #pauses = 0; // one after the other, without an answer in between
  #telling = false;
  #next = 1;
  #about: About | undefined;

  constructor(private readonly api: Api) {
    this.#follower = new Follower(api, () => this.#wantsStreams(), {
      onRow: (row) => this.#update(row),
      onGone: (request_id) => this.#gone(request_id),
    });
    document.addEventListener("visibilitychange", () => this.#follower.beginAnew());
    onKeys(() => this.#pump());
  }

  /** Tells what the API takes. Nothing is sent before that is known. */
  learn(about: About): void {
    this.#about = about;
    this.#pump();
  }

  /** A browser has six connections to a host for all of its tabs: those in sight get them. */
  #wantsStreams(): boolean {
    return this.#about?.events === true && document.visibilityState === "visible";
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly getSnapshot = (): Snapshot => this.#snapshot;

  add(picked: readonly Picked[]): void {
    for (const { file, path } of picked) {
      const key = this.#next++;
      const item = { key, request_id: uuid(), file, path, true_label: undefined };
      this.#items.set(key, { ...item, state: "waiting", sent_bytes: 0, tries: 0 });
      this.#waiting.push(key);
    }
    this.#pump();
    this.#tell();
  }

  /** Cancels what has not left yet: one file, or all. What has left is the API's. */
  cancel(key?: number): void {
    const meant = (one: number) => key === undefined || key === one;
    for (const one of this.#waiting.filter(meant)) this.#set(one, { state: "cancelled" });
    this.#waiting = this.#waiting.filter((one) => !meant(one));
    for (const delivery of new Set(this.#inHands.values())) {
      const cancelled = delivery.keys.filter(meant);
      if (cancelled.length > 0 && delivery.abort()) {
        // The others of the form are sent again, in one without these.
        for (const one of cancelled) {
          this.#inHands.delete(one);
          this.#set(one, { state: "cancelled", sent_bytes: 0 });
        }
      }
    }
  }

  /** Sends once more what may succeed now: one file, or all such. */
  retry(key?: number): void {
    for (const item of this.#items.values()) {
      if ((key === undefined || item.key === key) && mayRetry(item)) {
        const { key, file, path, true_label, row } = item;
        if (row) this.#keys.delete(row.request_id);
        // What has a row, which failed, needs another; what has none may have one without our
        // knowing, and then that is its answer.
        const request_id = row ? uuid() : item.request_id;
        const anew = { key, request_id, file, path, true_label, sent_bytes: 0, tries: 0 };
        this.#items.set(key, { ...anew, state: "waiting" });
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
      if (item.row) this.#keys.delete(item.row.request_id);
    }
    this.#tell();
  }

  #pump(): void {
    const about = this.#about;
    if (!about || lacksKey(this.api.url) || Date.now() < this.#paused_until_ms) return;
    this.#refuseTooLarge(about.max_image_bytes);
    while (this.#open < PARALLEL && this.#waiting.length > 0) {
      const waiting = this.#waiting.flatMap((key) => this.#items.get(key) ?? []);
      const batch = nextBatch(waiting, { ...about, ...this.#limits }).map((item) => ({
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
    const delivery = deliver(this.api, batch, about, (key, sent_bytes) => {
      if (this.#inHands.get(key) === delivery) this.#set(key, { sent_bytes });
    });
    for (const item of batch) {
      this.#inHands.set(item.key, delivery);
      this.#set(item.key, { ...item, state: "sending" });
    }
    this.#open += 1;
    try {
      const answers = await delivery.answers;
      this.#pauses = 0;
      this.#accept(delivery, answers);
    } catch (error) {
      await this.#recover(delivery, batch, error);
    } finally {
      this.#open -= 1;
      this.#pump();
    }
  }

  #accept(delivery: Delivery, answers: Map<number, Answer>): void {
    const unfinished: string[] = [];
    for (const [key, { row, error }] of answers) {
      if (!this.#handOver(key, delivery)) continue;
      if (row) {
        this.#keys.set(row.request_id, key);
        this.#set(key, { sent_bytes: this.#items.get(key)?.file.size ?? 0 });
        this.#update(row);
        if (!isFinished(row)) unfinished.push(row.request_id);
      } else {
        this.#set(key, { state: "rejected", ...(error ? { error } : {}) });
      }
    }
    this.#follower.add(unfinished);
  }

  async #recover(delivery: Delivery, batch: Item[], error: unknown): Promise<void> {
    const next = await afterFailure(this.api, error, {
      files: batch.length,
      bytes: batch.reduce((sum, item) => sum + item.file.size, 0),
      tries: Math.max(0, ...batch.map((item) => item.tries)),
      pauses: this.#pauses,
    });
    if (next.body_bytes && this.#about) {
      const max_body_bytes = Math.min(this.#about.max_body_bytes, next.body_bytes);
      this.#limits = { max_body_bytes };
    }
    if (next.pause) {
      this.#pauses += 1;
      this.#pause(next.pause.for_ms, next.pause.why);
    }
    const again: number[] = [];
    for (const { key, tries } of batch) {
      if (!this.#handOver(key, delivery)) continue; // cancelled meanwhile
      const { state, error: told } = next;
      const counted = next.counts ? tries + 1 : tries;
      this.#set(key, { state, sent_bytes: 0, tries: counted, ...(told ? { error: told } : {}) });
      if (state === "waiting") again.push(key);
    }
    this.#waiting.unshift(...again);
  }

  /** Takes a file out of the hands of a delivery, if it is in those. */
  #handOver(key: number, delivery: Delivery): boolean {
    if (this.#inHands.get(key) !== delivery) return false;
    return this.#inHands.delete(key);
  }

  #gone(request_id: string): void {
    const key = this.#keys.get(request_id);
    const error = { code: "deleted", detail: "It was deleted before it was classified." };
    if (key !== undefined) this.#set(key, { state: "failed", error });
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
    ...{ rejected: 0, unsent: 0, cancelled: 0 },
  };
  for (const item of items) counts[item.state] += 1;
  return { items, counts, paused_until_ms, why_paused };
}
