import { useSyncExternalStore } from "react";

import { remember, remembered } from "./storage";

/** `public/theme.js` applies the same before the page is painted. */
export type Theme = "system" | "light" | "dark";

const STORED = "skylane.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function chosen(): Theme {
  const theme = remembered(STORED);
  return theme === "light" || theme === "dark" ? theme : "system";
}

function apply(): void {
  const theme = chosen();
  const dark = theme === "dark" || (theme === "system" && system.matches);
  document.documentElement.classList.toggle("dark", dark);
  for (const listener of listeners) listener();
}

system.addEventListener("change", apply);
window.addEventListener("storage", apply); // chosen in another tab

export function setTheme(theme: Theme): void {
  remember(STORED, theme === "system" ? null : theme);
  apply();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useTheme = (): Theme => useSyncExternalStore(subscribe, chosen);
