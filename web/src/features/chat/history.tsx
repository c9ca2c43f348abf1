import { useMemo, useRef, useState } from "react";
import type { ConversationView, MessageWindow } from "../../sync/api";
import { IconButton } from "../../ui/button";
import { Spinner } from "../../ui/spinner";
import { MessageRow, type RowActions } from "./message-row";
import { placeOf } from "./neighbours";
import { useHistoryKeys } from "./use-history-keys";
import { useHistoryScroll } from "./use-history-scroll";
import { useReadReceipts } from "./use-read-receipts";
import { useWheeling } from "./use-wheeling";
import css from "./history.module.css";

type HistoryProps = { conversation: ConversationView; window: MessageWindow; actions: RowActions; onEscape: () => void };

/** The messages of a conversation, of which only those around the screen are in the page. */
export function History({ conversation, window, actions, onEscape }: HistoryProps) {
  const { id, type, participants, left, unreadCount } = conversation;
  const scroller = useRef<HTMLDivElement>(null);
  const scroll = useHistoryScroll(window, scroller);
  const { snapshot, shown, start, virtualizer, atEnd, lit, seek, toEnd } = scroll;
  const { items, loaded, hasOlder, loadingOlder, firstUnreadId, findingUnread } = snapshot;
  const { focused, leave, onKeyDown } = useHistoryKeys(scroll, scroller, actions, onEscape);
  const [hovered, setHovered] = useState<string>();
  useWheeling(scroller);
  const watchRead = useReadReceipts(id, scroller, findingUnread);
  const people = useMemo(() => new Map(participants.map((member) => [member.userId, member])), [participants]);

  return (
    <div className={css.frame}>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- one tab stop for all messages */}
      <div
        ref={scroller}
        className={css.scroller}
        role="log"
        // Scrolling puts old messages into the page, which must not be read out; the announcer beside this says the new ones.
        aria-live="off"
        aria-label="Messages"
        aria-busy={!loaded}
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must take the focus
        tabIndex={0}
        onKeyDown={onKeyDown}
        onBlur={(event) => {
          if (!event.currentTarget.contains(event.relatedTarget)) leave();
        }}
        onPointerMove={(event) => {
          if (event.pointerType !== "mouse" || !(event.target instanceof Element)) return;
          const key = event.target.closest<HTMLElement>("[data-key]")?.dataset["key"];
          if (key !== hovered) setHovered(key);
        }}
      >
        {loadingOlder && (
          <div className={css.loading}>
            <Spinner label="Loading older messages" />
          </div>
        )}
        {loaded && items.length === 0 && <p className={css.empty}>{hasOlder ? "" : "No messages yet. Say hello."}</p>}
        <div ref={virtualizer.containerRef} className={css.sizer} role="list">
          {virtualizer.getVirtualItems().map((row) => {
            const message = shown[row.index];
            if (message === undefined) return null;
            return (
              <MessageRow
                key={row.key}
                measure={virtualizer.measureElement}
                index={row.index}
                message={message}
                people={people}
                direct={type === "direct"}
                writable={!left}
                {...placeOf(items, start + row.index, firstUnreadId)}
                focused={message.key === focused}
                hovered={message.key === hovered}
                lit={message.id !== undefined && message.id === lit}
                actions={actions}
                onJump={seek}
                watchRead={watchRead}
              />
            );
          })}
        </div>
      </div>
      {!atEnd && items.length > 0 && (
        <IconButton icon="down" label="Jump to the newest message" className={css.down} badge={unreadCount} onClick={toEnd} />
      )}
    </div>
  );
}
