import { useState, type KeyboardEvent, type RefObject } from "react";
import type { RowActions } from "./message-row";
import type { HistoryScroll } from "./use-history-scroll";

/** One tab stop for all messages: arrows go through them, Enter says what can be done with one, Escape leads back. */
export function useHistoryKeys(scroll: HistoryScroll, scroller: RefObject<HTMLElement | null>, actions: RowActions, onEscape: () => void) {
  const { shown, virtualizer, toEnd } = scroll;
  const [focused, setFocused] = useState<string | null>(null);

  function openMenu(index: number): boolean {
    const message = shown[index];
    const row = scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"]`);
    if (message === undefined || row === null || row === undefined) return false;
    const box = row.getBoundingClientRect();
    actions.menu(message, { x: box.left + box.width / 3, y: Math.min(box.top + box.height / 2, innerHeight - 80) });
    return true;
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === "Escape") {
      setFocused(null);
      onEscape();
      return;
    }
    // What stands inside a message has keys of its own.
    if (event.target instanceof HTMLElement && event.target.closest("button, a, video, input") !== null) return;
    const last = shown.length - 1;
    const now = focused === null ? -1 : shown.findIndex((item) => item.key === focused);
    let next: number | undefined;
    if (event.key === "ArrowUp") next = now < 0 ? (virtualizer.range?.endIndex ?? last) : Math.max(now - 1, 0);
    else if (event.key === "ArrowDown") next = now < 0 ? last : Math.min(now + 1, last);
    else if (event.key === "End") {
      event.preventDefault();
      toEnd();
    } else if ((event.key === "Enter" || event.key === "ContextMenu") && now >= 0 && openMenu(now)) event.preventDefault();
    const target = next === undefined ? undefined : shown[next];
    if (next === undefined || target === undefined) return;
    event.preventDefault();
    setFocused(target.key);
    virtualizer.scrollToIndex(next, { align: "auto" });
  }

  return {
    focused,
    leave: () => {
      setFocused(null);
    },
    onKeyDown,
  };
}
