/** API keys, by address, kept in this browser; and who asks for one. */

import { remember, remembered } from "@/lib/storage";

const PREFIX = "skylane.key:";
const keys = new Map<string, string>(); // also for browsers that keep nothing
const lacking = new Set<string>();
const dismissed = new Set<string>();
const listeners = new Set<() => void>();

export const keyOf = (url: string): string => keys.get(url) ?? remembered(PREFIX + url) ?? "";

export function setKey(url: string, key: string): void {
  keys.set(url, key);
  remember(PREFIX + url, key || null);
  lacking.delete(url);
  dismissed.delete(url);
  tell();
}

/** An API has refused us for want of a key, or for a wrong one. */
export function askForKey(url: string): void {
  if (lacking.has(url)) return;
  lacking.add(url);
  tell();
}

/** The user will not give one now. Nothing asks again until they choose to. */
export function dismissKey(url: string): void {
  dismissed.add(url);
  tell();
}

/** The user will, after all. */
export function reopenKey(url: string): void {
  dismissed.delete(url);
  tell();
}

/** Whether an API waits for a key: nothing that needs one is of use before. */
export const lacksKey = (url: string): boolean => lacking.has(url);

/** The first address that asks for a key, if one does: a snapshot for useSyncExternalStore. */
export const keyWanted = (): string | undefined => [...lacking].find((url) => !dismissed.has(url));

export function onKeys(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(): void {
  for (const listener of listeners) listener();
}
