/** Which files travel together. */

import type { Item } from "./items";

export const BATCH_FILES = 32; // small enough that labels come in while others are sent
export const BATCH_BYTES = 8_000_000;
export const FORM_BYTES = 1_000; // of a form around a file: its headers, its label

export interface Limits {
  max_body_bytes: number;
  max_batch_files: number;
}

/**
 * Takes the next batch off the front of `waiting`: at least one file, and no more than fit.
 *
 * What did not get there before travels alone: it may be a file that cannot be read, and then
 * nothing that travels with it arrives.
 */
export function nextBatch(waiting: readonly Item[], limits: Limits): Item[] {
  const most_files = Math.min(BATCH_FILES, limits.max_batch_files);
  const most_bytes = Math.min(BATCH_BYTES, limits.max_body_bytes);
  const batch: Item[] = [];
  let bytes = 0;
  for (const item of waiting) {
    bytes += item.file.size + FORM_BYTES;
    const full = batch.length === most_files || bytes > most_bytes || item.tries > 0;
    if (batch.length > 0 && full) break;
    batch.push(item);
    if (item.tries > 0) break;
  }
  return batch;
}

/** Shares what was sent of a form among its files, which travel one behind the other. */
export function shares(files_bytes: readonly number[], sent_bytes: number): number[] {
  let left = sent_bytes;
  return files_bytes.map((size) => {
    const share = Math.max(0, Math.min(size, left));
    left -= share;
    return share;
  });
}
