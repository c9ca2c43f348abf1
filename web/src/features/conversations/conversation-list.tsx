import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useId, useRef, useState, type KeyboardEvent, type MouseEvent } from "react";
import type { ConversationView } from "../../sync/api";
import { Menu, type MenuItem } from "../../ui/menu";
import { useClient, useScreen } from "../messenger/context";
import { sentence } from "../messenger/failure";
import { ConversationRow } from "./conversation-row";
import css from "./conversation-list.module.css";

const rowHeight = 76;

type ListProps = { conversations: readonly ConversationView[]; loaded: boolean; archive: boolean };

/** A listbox with one tab stop: arrows move in it, Enter opens, the menu key offers what can be done with one. */
export function ConversationList({ conversations, loaded, archive }: ListProps) {
  const client = useClient();
  const current = useScreen((screen) => screen.route.conversationId);
  const open = useScreen((screen) => screen.open);
  const say = useScreen((screen) => screen.say);
  const scroller = useRef<HTMLDivElement>(null);
  const [activeId, setActiveId] = useState<string | null>(null);
  const [menu, setMenu] = useState<{ x: number; y: number; conversation: ConversationView }>();
  const prefix = useId();
  const now = useMinute();

  const virtualizer = useVirtualizer({
    count: conversations.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    getItemKey: (index) => conversations[index]?.id ?? index,
    overscan: 6,
  });

  const active = Math.max(
    conversations.findIndex((one) => one.id === activeId),
    activeId === null ? conversations.findIndex((one) => one.id === current) : -1,
  );

  function onKeyDown(event: KeyboardEvent) {
    const last = conversations.length - 1;
    let next: number | undefined;
    if (event.key === "ArrowDown") next = Math.min(active + 1, last);
    else if (event.key === "ArrowUp") next = Math.max(active - 1, 0);
    else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = last;
    else if (event.key === "Enter" || event.key === " ") {
      const chosen = conversations[active];
      if (chosen !== undefined) open(chosen.id);
      event.preventDefault();
      return;
    }
    const target = next === undefined ? undefined : conversations[next];
    if (next === undefined || target === undefined) return;
    event.preventDefault();
    setActiveId(target.id);
    virtualizer.scrollToIndex(next);
  }

  function onContextMenu(event: MouseEvent) {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-index]") : null;
    const conversation = conversations[row === null ? active : Number(row.dataset["index"])];
    if (conversation === undefined) return;
    event.preventDefault();
    const box = (row ?? document.getElementById(`${prefix}-${conversation.id}`))?.getBoundingClientRect();
    const byKey = event.clientX === 0 && event.clientY === 0;
    setMenu({ x: byKey ? (box?.left ?? 0) + 60 : event.clientX, y: byKey ? (box?.top ?? 0) + 30 : event.clientY, conversation });
  }

  function items(one: ConversationView): MenuItem[] {
    const attempt = (work: Promise<void>) => {
      work.catch((error: unknown) => {
        say(sentence(error));
      });
    };
    const newest = one.lastMessage?.id;
    return [
      ...(one.unreadCount > 0 && newest !== undefined
        ? [
            {
              label: "Mark as read",
              icon: "check",
              onSelect: () => {
                client.conversations.markRead(one.id, newest);
              },
            } as const,
          ]
        : []),
      {
        label: one.muted ? "Unmute" : "Mute",
        icon: one.muted ? "bell" : "mute",
        onSelect: () => {
          attempt(client.conversations.setMuted(one.id, !one.muted));
        },
      },
      {
        label: one.archived ? "Take out of the archive" : "Archive",
        icon: "archive",
        onSelect: () => {
          attempt(client.conversations.setArchived(one.id, !one.archived));
        },
      },
    ];
  }

  if (conversations.length === 0) {
    return (
      <p className={css.empty}>
        {!loaded ? "" : archive ? "The archive is empty." : "No conversations yet. Start one with the plus above."}
      </p>
    );
  }
  return (
    <div
      ref={scroller}
      className={css.scroller}
      role="listbox"
      aria-label={archive ? "Archived conversations" : "Conversations"}
      aria-activedescendant={active >= 0 ? `${prefix}-${conversations[active]?.id ?? ""}` : undefined}
      tabIndex={0}
      onKeyDown={onKeyDown}
      onContextMenu={onContextMenu}
    >
      <div className={css.sizer} style={{ blockSize: virtualizer.getTotalSize() }} role="presentation">
        {virtualizer.getVirtualItems().map((item) => {
          const conversation = conversations[item.index];
          if (conversation === undefined) return null;
          return (
            <ConversationRow
              key={item.key}
              id={`${prefix}-${conversation.id}`}
              index={item.index}
              size={conversations.length}
              start={item.start}
              conversation={conversation}
              selected={conversation.id === current}
              active={item.index === active}
              now={now}
              onOpen={open}
            />
          );
        })}
      </div>
      {menu !== undefined && (
        <Menu
          label="Conversation"
          items={items(menu.conversation)}
          at={menu}
          onClose={() => {
            setMenu(undefined);
          }}
        />
      )}
    </div>
  );
}

/** The present minute, so that "today" and weekdays don't grow stale on a page that stays open. */
function useMinute(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      setNow(Date.now());
    }, 60_000);
    return () => {
      clearInterval(timer);
    };
  }, []);
  return now;
}
