/** Light or dark: the system's choice unless the person made one, which is remembered. */
import { useSyncExternalStore } from "react";

export type Theme = "dark" | "light";

const STORAGE_KEY = "truecast-theme";
const systemIsLight = window.matchMedia("(prefers-color-scheme: light)");
const listeners = new Set<() => void>();
let chosen: Theme | null = storedTheme();

function storedTheme(): Theme | null {
  try {
    const value = window.localStorage.getItem(STORAGE_KEY);
    return value === "dark" || value === "light" ? value : null;
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
    return null;
  }
}

function currentTheme(): Theme {
  return chosen ?? (systemIsLight.matches ? "light" : "dark");
}

export function applyTheme(): void {
  document.documentElement.dataset["theme"] = currentTheme();
  for (const listener of listeners) listener();
}

export function toggleTheme(): void {
  chosen = currentTheme() === "dark" ? "light" : "dark";
  try {
    window.localStorage.setItem(STORAGE_KEY, chosen);
  } catch {
    // As above.
  }
  applyTheme();
}

/** Applies the theme before the first paint and keeps following the system. */
export function startTheme(): void {
  systemIsLight.addEventListener("change", applyTheme);
  applyTheme();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, currentTheme);
}
