import { useCallback, useEffect, useRef, type RefObject } from "react";
import type { ConversationId } from "../../sync/api";
import { useClient } from "../messenger/context";
import { ReadTracker } from "./read-tracker";

/**
 * Watches the rows of others' messages; returns a ref callback for each of them, which needs `data-message` with its id. Nothing
 * counts as read while it is paused.
 */
export function useReadReceipts(
  conversationId: ConversationId,
  scroller: RefObject<HTMLElement | null>,
  paused: boolean,
): (row: HTMLElement | null) => (() => void) | undefined {
  const client = useClient();
  const observer = useRef<IntersectionObserver>(null);
  const waiting = useRef(new Set<HTMLElement>());

  useEffect(() => {
    if (paused) return;
    const tracker = new ReadTracker((upTo) => {
      client.conversations.markRead(conversationId, upTo);
    }, document.visibilityState === "visible");
    const watch = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) {
          const id = (entry.target as HTMLElement).dataset["message"];
          if (id === undefined) continue;
          // Half of a message taller than the screen never fits on it: half a screen of it will do.
          const tall = entry.rootBounds !== null && entry.intersectionRect.height >= entry.rootBounds.height / 2;
          tracker.show(id, entry.isIntersecting && (entry.intersectionRatio >= 0.5 || tall));
        }
      },
      { root: scroller.current, threshold: [0, 0.1, 0.25, 0.5] },
    );
    observer.current = watch;
    for (const row of waiting.current) watch.observe(row);
    const onVisibility = () => {
      tracker.setPageVisible(document.visibilityState === "visible");
    };
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      document.removeEventListener("visibilitychange", onVisibility);
      watch.disconnect();
      tracker.stop();
      observer.current = null;
    };
  }, [client, conversationId, scroller, paused]);

  return useCallback((row: HTMLElement | null) => {
    if (row === null) return undefined;
    waiting.current.add(row);
    observer.current?.observe(row);
    return () => {
      waiting.current.delete(row);
      observer.current?.unobserve(row);
    };
  }, []);
}
