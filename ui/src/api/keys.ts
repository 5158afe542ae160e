/** API keys, by address, kept in this browser; and who asks for one. */

const PREFIX = "skylane.key:";
const waiting = new Set<string>();
const listeners = new Set<() => void>();

export const keyOf = (url: string): string => localStorage.getItem(PREFIX + url) ?? "";

export function setKey(url: string, key: string): void {
  if (key) localStorage.setItem(PREFIX + url, key);
  else localStorage.removeItem(PREFIX + url);
  waiting.delete(url);
  tell();
}

/** An API has refused us for want of a key, or for a wrong one. */
export function askForKey(url: string): void {
  if (waiting.has(url)) return;
  waiting.add(url);
  tell();
}

/** The user will not give one now. */
export function dismissKey(url: string): void {
  waiting.delete(url);
  tell();
}

/** The first address that asks for a key, if one does: a snapshot for useSyncExternalStore. */
export const keyWanted = (): string | undefined => waiting.values().next().value;

export function onKeys(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(): void {
  for (const listener of listeners) listener();
}
