import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import type { ConversationView, MessageView, MessageWindow } from "../../sync/api";
import { IconButton } from "../../ui/button";
import { Spinner } from "../../ui/spinner";
import { useLive, useScreen } from "../messenger/context";
import { MessageRow, type RowActions } from "./message-row";
import { placeOf } from "./neighbours";
import { useReadReceipts } from "./use-read-receipts";
import { useStickToEnd } from "./use-stick-to-end";
import { useTarget } from "./use-target";
import css from "./history.module.css";

/** Within how many px of a page's end the next one is asked for. */
const nearEdge = 1_200;

type HistoryProps = { conversation: ConversationView; window: MessageWindow; actions: RowActions; onEscape: () => void };

/** The messages of a conversation, of which only those around the screen are in the page. */
export function History({ conversation, window: messages, actions, onEscape }: HistoryProps) {
  const { items, loaded, hasOlder, hasNewer, loadingOlder, firstUnreadId } = useLive(messages);
  const scroller = useRef<HTMLDivElement>(null);
  const placed = useRef(false);
  const [end, setEnd] = useState(true);
  const [focused, setFocused] = useState<string | null>(null);
  const watchRead = useReadReceipts(conversation.id, scroller);
  const say = useScreen((screen) => screen.say);

  const people = useMemo(() => new Map(conversation.participants.map((member) => [member.userId, member])), [conversation.participants]);

  const getItemKey = useCallback((index: number) => items[index]?.key ?? index, [items]);
  const virtualizer = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => estimate(items[index]),
    getItemKey,
    overscan: 8,
    anchorTo: "end",
    paddingStart: 12,
    paddingEnd: 12,
    directDomUpdates: true,
    onChange: more,
  });
  // With newer pages still to come the end of the window is not the end of the conversation.
  const { stick } = useStickToEnd(scroller, items, loaded && !hasNewer, setEnd);

  /** Asks for the pages beyond the ends that are near. The element is asked where it is: the list's own idea may be a render behind. */
  function more() {
    const element = scroller.current;
    if (element === null || !placed.current) return;
    const { hasOlder, loadingOlder, hasNewer, loadingNewer } = messages.get();
    const { scrollTop, scrollHeight, clientHeight } = element;
    // A load that fails says so in the snapshot, and the next movement asks again.
    if (hasOlder && !loadingOlder && scrollTop < nearEdge) messages.loadOlder().catch(() => undefined);
    if (hasNewer && !loadingNewer && scrollHeight - clientHeight - scrollTop < nearEdge) messages.loadNewer().catch(() => undefined);
  }

  // Where to begin: at the first unread message, else at the end.
  useLayoutEffect(() => {
    if (placed.current || !loaded || items.length === 0) return;
    placed.current = true;
    const unread = firstUnreadId === undefined ? -1 : items.findIndex((item) => item.id === firstUnreadId);
    if (unread >= 0) {
      stick(false);
      virtualizer.scrollToIndex(unread, { align: "start" });
    } else stick(true);
  }, [loaded, items, firstUnreadId, virtualizer, stick]);

  // A page may be shorter than the screen: then nothing scrolls that would ask for the next one.
  useEffect(more, [items, messages]);

  const { lit, seek } = useTarget(
    conversation.id,
    messages,
    (index) => {
      stick(false);
      virtualizer.scrollToIndex(index, { align: "center" });
    },
    () => {
      say("That message is no longer there.");
    },
  );

  function toEnd() {
    if (!messages.get().hasNewer) {
      stick(true);
      return;
    }
    messages.jumpToNewest().then(
      () => {
        stick(true);
      },
      () => {
        say("The newest messages can't be read now.");
      },
    );
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === "Escape") {
      setFocused(null);
      onEscape();
      return;
    }
    if (event.target instanceof HTMLElement && event.target.closest("button, a, video, input") !== null) return;
    const last = items.length - 1;
    const now = focused === null ? -1 : items.findIndex((item) => item.key === focused);
    let next: number | undefined;
    if (event.key === "ArrowUp") next = now < 0 ? (virtualizer.range?.endIndex ?? last) : Math.max(now - 1, 0);
    else if (event.key === "ArrowDown") next = now < 0 ? last : Math.min(now + 1, last);
    else if (event.key === "End") {
      event.preventDefault();
      toEnd();
      return;
    } else if ((event.key === "Enter" || event.key === "ContextMenu") && now >= 0) {
      const message = items[now];
      const row = scroller.current?.querySelector<HTMLElement>(`[data-index="${now}"]`);
      if (message === undefined || row == null) return;
      event.preventDefault();
      const box = row.getBoundingClientRect();
      actions.menu(message, { x: box.left + box.width / 3, y: Math.min(box.top + box.height / 2, innerHeight - 80) });
      return;
    }
    const target = next === undefined ? undefined : items[next];
    if (next === undefined || target === undefined) return;
    event.preventDefault();
    setFocused(target.key);
    virtualizer.scrollToIndex(next, { align: "auto" });
  }

  const rows = virtualizer.getVirtualItems();
  return (
    <div className={css.frame}>
      {/* One tab stop for all messages: the arrow keys go through them. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <div
        ref={scroller}
        className={css.scroller}
        role="log"
        // Scrolling puts old messages into the page, which must not be read out; the announcer beside this says the new ones.
        aria-live="off"
        aria-label="Messages"
        aria-busy={!loaded}
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        onKeyDown={onKeyDown}
        onBlur={(event) => {
          if (!event.currentTarget.contains(event.relatedTarget)) setFocused(null);
        }}
      >
        {loadingOlder && (
          <div className={css.loading}>
            <Spinner label="Loading older messages" />
          </div>
        )}
        {loaded && items.length === 0 && <p className={css.empty}>{hasOlder ? "" : "No messages yet. Say hello."}</p>}
        <div ref={virtualizer.containerRef} className={css.sizer} role="list">
          {rows.map((row) => {
            const message = items[row.index];
            if (message === undefined) return null;
            const place = placeOf(items, row.index, firstUnreadId);
            return (
              <MessageRow
                key={row.key}
                measure={virtualizer.measureElement}
                index={row.index}
                message={message}
                people={people}
                direct={conversation.type === "direct"}
                writable={!conversation.left}
                {...place}
                focused={message.key === focused}
                lit={message.id !== undefined && message.id === lit}
                actions={actions}
                onJump={seek}
                watchRead={watchRead}
              />
            );
          })}
        </div>
      </div>
      {(!end || hasNewer) && items.length > 0 && (
        <IconButton icon="down" label="Jump to the newest message" className={css.down} badge={conversation.unreadCount} onClick={toEnd} />
      )}
    </div>
  );
}

/** Near enough that the scroll bar doesn't jump much when the true height is measured. */
function estimate(message: MessageView | undefined): number {
  if (message === undefined) return 48;
  if (message.media !== undefined && (message.contentType === "image" || message.contentType === "video")) return 280;
  return 40 + 20 * Math.min(24, Math.floor(message.content.length / 44));
}
