/** Follow predictions until they are finished: server-sent events, or asking again and again. */

import { EventSourceParserStream } from "eventsource-parser/stream";

import type { Api } from "./apis";
import { answer, clientOf, fetchFrom, type Prediction } from "./client";
import { ApiProblem } from "./problems";

export const MOST_IDS = 100; // that the API is asked about at once
export const FIRST_PAUSE_MS = 300;
export const LONGEST_PAUSE_MS = 10_000;
const GROWTH = 1.6;
const NO_STREAM_MS = 30_000; // a lane that had no place for a stream may have one by now

export const isFinished = (row: Pick<Prediction, "status">): boolean =>
  row.status === "done" || row.status === "failed";

/** The pause before asking for the n-th time without news. */
export function pause_ms(fruitless: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * GROWTH ** fruitless);
}

interface Listener {
  /** A row as it is now; told again with each change. */
  onRow: (row: Prediction) => void;
  /** It was deleted, and nothing will come of it. */
  onGone: (request_id: string) => void;
}

/**
 * Follows a changing set of accepted predictions of one API, a hundred at a time.
 *
 * Those that take long make room for others. A stream that breaks costs nothing: the next one
 * begins with the present state.
 */
export class Follower {
  readonly #unfinished = new Set<string>(); // in the order in which they are followed
  #followed: string[] = [];
  #running = false;
  #interrupt = new AbortController();
  #noStreamUntil_ms = 0;
  #fruitless = 0;

  constructor(
    private readonly api: Api,
    private readonly streams: () => boolean,
    private readonly listener: Listener,
  ) {}

  add(request_ids: Iterable<string>): void {
    for (const id of request_ids) this.#unfinished.add(id);
    if (!this.#running) void this.#run();
    else this.#makeRoom();
  }

  /** Looks again how to follow them, and where they are. */
  beginAnew(): void {
    this.#interrupt.abort();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#unfinished.size > 0) {
      this.#interrupt = new AbortController();
      this.#followed = [...this.#unfinished].slice(0, MOST_IDS);
      const { signal } = this.#interrupt;
      const left = this.#unfinished.size;
      try {
        if (this.streams() && Date.now() >= this.#noStreamUntil_ms) await this.#stream(signal);
        else await this.#ask();
      } catch (error) {
        if (signal.aborted) continue;
        // Whatever it is, the images are accepted: there is nothing to do but to go on asking. An
        // API that is away is one for streams too; anything else may be wrong with streams alone.
        const away = error instanceof ApiProblem && error.status === 0;
        if (!away) this.#noStreamUntil_ms = Date.now() + NO_STREAM_MS;
      }
      this.#fruitless = this.#unfinished.size < left ? 0 : this.#fruitless + 1;
      this.#rotate();
      if (this.#unfinished.size > 0 && !signal.aborted)
        await sleep(pause_ms(this.#fruitless), signal);
    }
    this.#followed = [];
    this.#running = false;
  }

  /** Begins anew with more of them once fewer than half a hundred are followed and others wait. */
  #makeRoom(): void {
    const open = this.#followed.filter((id) => this.#unfinished.has(id)).length;
    if (open < this.#unfinished.size && open <= MOST_IDS / 2) this.#interrupt.abort();
  }

  /** Puts those that were followed in vain behind those that were not. */
  #rotate(): void {
    if (this.#unfinished.size <= MOST_IDS) return;
    for (const id of this.#followed) {
      if (this.#unfinished.delete(id)) this.#unfinished.add(id);
    }
  }

  #take(row: Prediction): void {
    if (!this.#unfinished.has(row.request_id)) return;
    if (isFinished(row)) this.#unfinished.delete(row.request_id);
    this.listener.onRow(row);
  }

  #giveUp(request_id: string): void {
    if (this.#unfinished.delete(request_id)) this.listener.onGone(request_id);
  }

  async #stream(signal: AbortSignal): Promise<void> {
    const address = new URL(`${this.api.url || "."}/events`, document.baseURI);
    for (const id of this.#followed) address.searchParams.append("request_id", id);
    const response = await fetchFrom(this.api.url, address.href, signal);
    // By a reader: not every browser can iterate over a stream.
    const reader = response.body
      ?.pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream())
      .getReader();
    if (!reader) throw new TypeError("a stream without a body");
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        if (value.event === "prediction") {
          this.#take(JSON.parse(value.data) as Prediction);
          this.#makeRoom();
        } else if (value.event === "end") {
          this.#followed.forEach((id) => this.#giveUp(id)); // all others were told of
          return;
        }
      }
    } finally {
      // It frees the stream's place with the API, which has few.
      await reader.cancel().catch(() => undefined);
    }
    // It ended before they did, as it does after some minutes. Some may have been deleted.
    await this.#ask();
  }

  async #ask(): Promise<void> {
    const asked = this.#followed.filter((id) => this.#unfinished.has(id));
    const query = { request_id: asked, limit: MOST_IDS };
    const page = await answer(clientOf(this.api).GET("/results", { params: { query } }));
    const found = new Set(page.results.map((row) => row.request_id));
    for (const row of page.results) this.#take(row);
    for (const id of asked) if (!found.has(id)) this.#giveUp(id); // accepted, and not there
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const wake = () => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener("abort", wake, { once: true });
  });
}
