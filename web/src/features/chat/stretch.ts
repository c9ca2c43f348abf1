import { useCallback, useMemo, useState } from "react";
import type { MessageView } from "../../sync/api";

/** Rows the list reckons with at once: what a change costs grows with them, and nobody sees more than a few dozen. */
export const mostRows = 800;
const step = 250;

/** Which of the messages are laid out: from one to another, or to whatever is the newest. */
export interface Stretch {
  first: string | null;
  last: string | null;
}

type Keyed = readonly { key: string }[];

/** The same stretch in a list that has grown or changed since; always something to show. */
export function place(items: Keyed, { first, last }: Stretch): { start: number; end: number } {
  const end = last === null ? items.length : indexOfKey(items, last, items.length - 1) + 1 || items.length;
  const found = first === null ? -1 : indexOfKey(items, first, 0);
  const start = found < 0 || found >= end ? end - mostRows : Math.max(found, end - 2 * mostRows);
  return { start: Math.max(0, start), end };
}

function indexOfKey(items: Keyed, key: string, guess: number): number {
  return items[guess]?.key === key ? guess : items.findIndex((item) => item.key === key);
}

export function between(items: Keyed, start: number, end: number): Stretch {
  const from = Math.max(0, start);
  return { first: items[from]?.key ?? null, last: end >= items.length ? null : (items[end - 1]?.key ?? null) };
}

export function older(items: Keyed, now: Stretch): Stretch {
  const { start, end } = place(items, now);
  const from = Math.max(0, start - step);
  return between(items, from, Math.min(end, from + mostRows));
}

export function newer(items: Keyed, now: Stretch): Stretch {
  const { start, end } = place(items, now);
  const to = Math.min(items.length, end + step);
  return between(items, Math.max(start, to - mostRows), to);
}

export function around(items: Keyed, index: number): Stretch {
  return between(items, index - mostRows / 2, Math.min(items.length, index + mostRows / 2));
}

/** A window of the engine holds all that was loaded; this shows a stretch of it that moves along. */
export function useStretch(items: readonly MessageView[]) {
  const [stretch, setStretch] = useState<Stretch>({ first: null, last: null });
  const { start, end } = useMemo(() => place(items, stretch), [items, stretch]);
  const shown = useMemo(() => items.slice(start, end), [items, start, end]);
  return {
    shown,
    start,
    olderLoaded: start > 0,
    newerLoaded: end < items.length,
    showOlder: useCallback(() => {
      setStretch((now) => older(items, now));
    }, [items]),
    showNewer: useCallback(() => {
      setStretch((now) => newer(items, now));
    }, [items]),
    showAround: useCallback((all: readonly MessageView[], index: number) => {
      setStretch(around(all, index));
    }, []),
    showEnd: useCallback(() => {
      setStretch({ first: null, last: null });
    }, []),
  };
}
