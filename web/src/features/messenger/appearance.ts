import { createStore } from "zustand/vanilla";

export interface Appearance {
  theme: "system" | "light" | "dark";
  direction: "ltr" | "rtl";
  notifications: boolean;
}

const key = "murre.appearance";
const start: Appearance = { theme: "system", direction: "ltr", notifications: true };

function read(): Appearance {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? "{}");
    const { theme, direction, notifications } = { ...start, ...(kept as Partial<Appearance>) };
    return {
      theme: theme === "light" || theme === "dark" ? theme : "system",
      direction: direction === "rtl" ? "rtl" : "ltr",
      notifications: notifications !== false,
    };
  } catch {
    return start; // private windows may refuse localStorage
  }
}

/** How the page looks: one for the whole page, kept on this device. */
export const appearance = createStore<Appearance>(() => read());

function apply(now: Appearance) {
  const root = document.documentElement;
  if (now.theme === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = now.theme;
  root.dir = now.direction;
}

/** To be called once, before the first paint. */
export function applyAppearance() {
  apply(appearance.getState());
  appearance.subscribe((now) => {
    apply(now);
    try {
      localStorage.setItem(key, JSON.stringify(now));
    } catch {
      // It holds until the page is closed.
    }
  });
}
