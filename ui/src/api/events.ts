/** Follow predictions until they are finished: server-sent events, or asking again and again. */

import { EventSourceParserStream } from "eventsource-parser/stream";

import type { Api } from "./apis";
import { answer, clientOf, fetchFrom, type Prediction } from "./client";
import { ApiProblem } from "./problems";

export const MOST_IDS = 100; // that the API is asked about at once
export const FIRST_PAUSE_MS = 300;
export const LONGEST_PAUSE_MS = 10_000;
const GROWTH = 1.6;
const STREAM_AGAIN_MS = 30_000; // a lane that had no place for a stream may have one by now

export const isFinished = (row: Pick<Prediction, "status">): boolean =>
  row.status === "done" || row.status === "failed";

/** The pause before asking for the n-th time without news. */
export function pause_ms(fruitless: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * GROWTH ** fruitless);
}

/**
 * Follows a changing set of predictions of one API, the oldest hundred at a time.
 *
 * Work is taken up in about the order in which it was sent, so the head of the queue is where
 * news is. A stream that breaks costs nothing: the next one begins with the present state.
 */
export class Follower {
  readonly #unfinished = new Set<string>();
  #running = false;
  #interrupt = new AbortController();
  #followed: string[] = [];
  #noStreamUntil = 0;
  #fruitless = 0;

  constructor(
    private readonly api: Api,
    private readonly streams: () => boolean,
    private readonly onRow: (row: Prediction) => void,
  ) {}

  add(request_ids: Iterable<string>): void {
    for (const id of request_ids) this.#unfinished.add(id);
    if (!this.#running) void this.#run();
    // Those that come while there is still room are followed at once.
    else if (this.#followed.length < MOST_IDS) this.#interrupt.abort();
  }

  forget(request_id: string): void {
    this.#unfinished.delete(request_id);
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#unfinished.size > 0) {
      this.#interrupt = new AbortController();
      this.#followed = [...this.#unfinished].slice(0, MOST_IDS);
      const { signal } = this.#interrupt;
      const left = this.#unfinished.size;
      try {
        if (this.streams() && Date.now() >= this.#noStreamUntil) await this.#stream(signal);
        else await this.#ask();
      } catch (error) {
        if (signal.aborted) continue;
        // Whatever it is, the images are accepted: there is nothing to do but to ask again.
        if (error instanceof ApiProblem && error.status !== 0) {
          this.#noStreamUntil = Date.now() + STREAM_AGAIN_MS;
        }
      }
      this.#fruitless = this.#unfinished.size < left ? 0 : this.#fruitless + 1;
      if (this.#unfinished.size > 0) await sleep(pause_ms(this.#fruitless), signal);
    }
    this.#followed = [];
    this.#running = false;
  }

  #take(row: Prediction): void {
    if (!this.#unfinished.has(row.request_id)) return;
    if (isFinished(row)) this.#unfinished.delete(row.request_id);
    this.onRow(row);
  }

  async #stream(signal: AbortSignal): Promise<void> {
    const base = new URL(`${this.api.url || "."}/events`, document.baseURI);
    for (const id of this.#followed) base.searchParams.append("request_id", id);
    const response = await fetchFrom(this.api.url, base.href, signal);
    if (!response.body) return;
    const events = response.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream());
    for await (const event of events) {
      if (event.event === "prediction") this.#take(JSON.parse(event.data) as Prediction);
    }
  }

  async #ask(): Promise<void> {
    const query = { request_id: this.#followed, limit: MOST_IDS };
    const page = await answer(clientOf(this.api).GET("/results", { params: { query } }));
    for (const row of page.results) this.#take(row);
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
