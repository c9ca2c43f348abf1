import type { Live } from "../../sync/api";

/** A live value that a test sets. */
export function liveValue<T>(start: T): Live<T> & { set(next: T): void } {
  let now = start;
  const listeners = new Set<() => void>();
  return {
    get: () => now,
    subscribe(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    set(next) {
      now = next;
      for (const listener of [...listeners]) listener();
    },
  };
}
