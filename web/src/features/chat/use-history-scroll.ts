import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";
import type { MessageView, MessageWindow } from "../../sync/api";
import { useClient, useLive, useScreen } from "../messenger/context";
import { useStretch } from "./stretch";
import { useStickToEnd } from "./use-stick-to-end";
import { useTarget } from "./use-target";

/** Within how many px of a page's end the next one is asked for; who is scrolling there gets it sooner, so as not to meet the end. */
const nearEdge = 1_200;
const ahead = 4_000;

/** After so many ms the place where reading begins is no longer put right. */
const settling = 1_500;

/** Where the history stands and how it moves: what is laid out, what is loaded next, and what is brought into view. */
export function useHistoryScroll(messages: MessageWindow, scroller: RefObject<HTMLElement | null>) {
  const snapshot = useLive(messages);
  const { items, loaded, hasOlder, hasNewer, firstUnreadId } = snapshot;
  const { shown, start, olderLoaded, newerLoaded, showOlder, showNewer, showAround, showEnd } = useStretch(items);
  const [end, setEnd] = useState(true);
  const [aim, setAim] = useState<{ key: string; align: "start" | "center" } | null>(null);
  const say = useScreen((screen) => screen.say);
  const placed = useRef(false);
  const begun = useRef(false);

  /** Lays out and loads what lies beyond the ends that are near. */
  const more = useCallback(
    (scrollTop: number, scrollHeight: number, clientHeight: number, reach = nearEdge) => {
      if (!placed.current) return;
      const now = messages.get();
      // A load that fails says so in the snapshot, and the next movement asks again.
      if (scrollTop < nearEdge && olderLoaded) showOlder();
      else if (scrollTop < reach && !olderLoaded) {
        if (now.hasOlder && !now.loadingOlder) messages.loadOlder().catch(() => undefined);
      }
      if (scrollHeight - clientHeight - scrollTop < nearEdge) {
        if (newerLoaded) showNewer();
        else if (now.hasNewer && !now.loadingNewer) messages.loadNewer().catch(() => undefined);
      }
    },
    [messages, olderLoaded, newerLoaded, showOlder, showNewer],
  );

  const getItemKey = useCallback((index: number) => shown[index]?.key ?? index, [shown]);
  const width = useRef(0);
  const virtualizer = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => estimate(shown[index], width.current),
    getItemKey,
    overscan: 6,
    anchorTo: "end",
    paddingStart: 12,
    paddingEnd: 12,
    directDomUpdates: true,
    directDomUpdatesMode: "position",
    onChange: (list) => {
      width.current = list.scrollRect?.width ?? 0;
      // Rows have just been moved: asking the element now would lay out the page once more. While it scrolls, the list knows.
      if (list.isScrolling) more(list.scrollOffset ?? 0, list.getTotalSize(), list.scrollRect?.height ?? 0, ahead);
    },
  });
  // With newer messages still to come the end of what is laid out is not the end of the conversation.
  const stick = useStickToEnd(scroller, items, loaded && !hasNewer && !newerLoaded, setEnd, showEnd);

  // A page may be shorter than the screen: then nothing scrolls that would ask for the next one. Nor does anything while there is no
  // connection, so it is asked for again when there is.
  const { state: connection } = useLive(useClient().connection);
  useEffect(() => {
    const element = scroller.current;
    if (element !== null) more(element.scrollTop, element.scrollHeight, element.clientHeight);
  }, [shown, hasOlder, hasNewer, connection, scroller, more]);

  const latest = useRef(shown);
  useLayoutEffect(() => {
    latest.current = shown;
  });

  const reveal = useCallback(
    (index: number, align: "start" | "center") => {
      const all = messages.get().items;
      const target = all[index];
      if (target === undefined) return;
      stick(false);
      if (!latest.current.some((item) => item.key === target.key)) showAround(all, index);
      setAim({ key: target.key, align });
    },
    [messages, showAround, stick],
  );

  // After the render that laid the message out, which may be a later one.
  const reached = useRef(aim);
  useLayoutEffect(() => {
    if (aim === null || reached.current === aim) return;
    const index = shown.findIndex((item) => item.key === aim.key);
    if (index < 0) return;
    reached.current = aim;
    virtualizer.scrollToIndex(index, { align: aim.align });
  }, [aim, shown, virtualizer]);

  // Where to begin: at the first unread message, else at the end.
  useLayoutEffect(() => {
    if (begun.current || !loaded || items.length === 0) return;
    const unread = firstUnreadId === undefined ? -1 : items.findIndex((item) => item.id === firstUnreadId);
    if (unread >= 0) {
      begun.current = true;
      reveal(unread, "start");
    } else if (!placed.current) stick(true);
    placed.current = true;
  }, [loaded, items, firstUnreadId, reveal, stick]);

  // Which message is the first unread one may be known a moment later; not when the reader has begun to do something.
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const begin = () => {
      begun.current = true;
    };
    const timer = setTimeout(begin, settling);
    const signs = ["wheel", "touchmove", "pointerdown", "keydown"] as const;
    for (const sign of signs) element.addEventListener(sign, begin, { passive: true });
    return () => {
      clearTimeout(timer);
      for (const sign of signs) element.removeEventListener(sign, begin);
    };
  }, [scroller]);

  const missing = useCallback(() => {
    say("That message is no longer there.");
  }, [say]);
  const { lit, seek } = useTarget(
    messages,
    useCallback(
      (index: number) => {
        reveal(index, "center");
      },
      [reveal],
    ),
    missing,
  );

  const toEnd = useCallback(() => {
    const go = () => {
      showEnd();
      stick(true);
    };
    if (!messages.get().hasNewer) go();
    else
      messages.jumpToNewest().then(go, () => {
        say("The newest messages can't be read now.");
      });
  }, [messages, say, showEnd, stick]);

  return { snapshot, shown, start, virtualizer, atEnd: end && !hasNewer && !newerLoaded, lit, seek, toEnd };
}

/** What a bubble's text is wide at most, and an average letter, in px at the usual font size; as message.module.css has it. */
const widestText = 518;
const letter = 7;

/** Near enough that the scroll bar doesn't jump much when the true height is measured; width is the list's, in px. */
function estimate(message: MessageView | undefined, width: number): number {
  if (message === undefined) return 48;
  if (message.media !== undefined && (message.contentType === "image" || message.contentType === "video")) return 280;
  const text = width === 0 ? widestText : Math.min(widestText, 0.82 * (width - 29) - 26);
  // A line breaks a few letters before its end.
  const lines = Math.ceil(message.content.length / Math.max(10, text / letter - 3));
  return 31 + 21 * Math.min(24, Math.max(1, lines)) + (message.replyToId === undefined ? 0 : 60) + (message.reactions.length > 0 ? 36 : 0);
}

export type HistoryScroll = ReturnType<typeof useHistoryScroll>;
