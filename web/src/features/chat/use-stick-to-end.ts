import { useCallback, useEffect, useLayoutEffect, useRef, type RefObject } from "react";
import type { MessageView } from "../../sync/api";

/** How far from the end still counts as being there, in px. */
const atEnd = 60;

/**
 * Keeps the newest message in view while the reader is at the end: when messages come in, when they turn out taller than was
 * thought, and when the composer below takes more room. Only scrolling up lets go.
 */
export function useStickToEnd(
  scroller: RefObject<HTMLElement | null>,
  items: readonly MessageView[],
  newest: boolean,
  onChange: (end: boolean) => void,
  onOwn: () => void,
): (stuck: boolean) => void {
  const stuck = useRef(true);
  const pinning = useRef(newest);
  const lastTop = useRef(0);
  const lastKey = useRef<string>(undefined);

  const pin = useCallback(() => {
    const element = scroller.current;
    if (element === null) return;
    const end = element.scrollHeight - element.clientHeight;
    if (end <= 0) stuck.current = true; // all of it fits
    if (!stuck.current || !pinning.current) return;
    if (Math.abs(end - element.scrollTop) > 1) element.scrollTop = end;
    lastTop.current = element.scrollTop;
  }, [scroller]);

  const stick = useCallback(
    (now: boolean) => {
      stuck.current = now;
      pin();
    },
    [pin],
  );

  useLayoutEffect(() => {
    pinning.current = newest;
    const last = items.at(-1);
    // What one has just sent one wants to see, wherever one was.
    if (last !== undefined && last.key !== lastKey.current && last.mine && (last.state === "pending" || last.state === "sending")) {
      stuck.current = true;
      onOwn();
    }
    lastKey.current = last?.key;
    pin();
  }, [items, newest, pin, onOwn]);

  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const onScroll = () => {
      const distance = element.scrollHeight - element.clientHeight - element.scrollTop;
      if (distance <= atEnd) stuck.current = true;
      else if (element.scrollTop < lastTop.current) stuck.current = false;
      lastTop.current = element.scrollTop;
      onChange(stuck.current);
    };
    // First of all listeners: once the list has moved its rows, asking for heights would lay out the page once more.
    element.addEventListener("scroll", onScroll, { passive: true, capture: true });
    const watch = new ResizeObserver(pin);
    watch.observe(element);
    for (const child of element.children) watch.observe(child);
    return () => {
      element.removeEventListener("scroll", onScroll, { capture: true });
      watch.disconnect();
    };
  }, [scroller, pin, onChange]);

  return stick;
}
