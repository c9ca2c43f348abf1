import { memo, useEffect, useRef } from "react";
import type { MessageId, MessageView, Participant, UserId } from "../../sync/api";
import { Button, IconButton } from "../../ui/button";
import { useLongPress } from "../../ui/long-press";
import { timeOfDay } from "../conversations/wording";
import { MessageMedia } from "../media/message-media";
import { dayName, type Place } from "./neighbours";
import { Quote } from "./quote";
import { Reactions } from "./reactions";
import { RichText } from "./rich-text";
import { SenderAvatar, SenderName } from "./sender";
import { Tick } from "./tick";
import css from "./message.module.css";

export interface RowActions {
  menu: (message: MessageView, at: { x: number; y: number }) => void;
  reply: (message: MessageView) => void;
  react: (message: MessageView, emoji: string) => void;
  retry: (message: MessageView) => void;
  discard: (message: MessageView) => void;
}

type RowProps = Place & {
  measure: (row: HTMLElement | null) => void;
  index: number;
  message: MessageView;
  people: ReadonlyMap<UserId, Participant>;
  direct: boolean;
  writable: boolean;
  focused: boolean;
  hovered: boolean;
  lit: boolean;
  actions: RowActions;
  onJump: (id: MessageId) => void;
  watchRead: (row: HTMLElement | null) => (() => void) | undefined;
};

export const MessageRow = memo(function MessageRow(props: RowProps) {
  const { measure, index, message, people, direct, writable, day, unread, first, last, focused, hovered, lit, actions, onJump, watchRead } =
    props;
  const { mine, deleted } = message;
  const item = useRef<HTMLDivElement | null>(null);
  const press = useLongPress((at) => {
    actions.menu(message, at);
  });

  useEffect(() => {
    if (focused) item.current?.focus({ preventScroll: true });
  }, [focused]);

  return (
    <div
      ref={(row) => {
        item.current = row;
        measure(row);
      }}
      role="listitem"
      tabIndex={-1}
      data-index={index}
      data-key={message.key}
      className={css.row}
    >
      {day !== undefined && (
        <div className={css.day}>
          <span>{dayName(day, new Date())}</span>
        </div>
      )}
      {unread && (
        <div className={css.unread}>
          <span>Unread messages</span>
        </div>
      )}
      <div className={[css.line, mine ? css.own : css.other, first ? css.first : "", last ? css.last : "", lit ? css.lit : ""].join(" ")}>
        {!mine && !direct && <span className={css.face}>{last && <SenderAvatar id={message.senderId} people={people} />}</span>}
        <div
          className={[css.bubble, deleted ? css.deleted : ""].join(" ")}
          ref={mine || message.id === undefined ? undefined : watchRead}
          data-message={message.id}
          onContextMenu={(event) => {
            event.preventDefault();
            actions.menu(message, { x: event.clientX, y: event.clientY });
          }}
          {...press}
        >
          {!mine && !direct && first ? (
            <SenderName id={message.senderId} people={people} className={css.sender} />
          ) : (
            <span className="visually-hidden">{mine ? "You: " : <SenderName id={message.senderId} people={people} />}</span>
          )}
          {message.replyToId !== undefined && !deleted && <Quote message={message} people={people} onJump={onJump} />}
          {deleted ? <p className={css.gone}>Message deleted</p> : <MessageMedia message={message} />}
          {!deleted && message.content !== "" && <RichText content={message.content} edited={message.editedAt !== undefined} />}
          <span className={css.meta}>
            {message.editedAt !== undefined && !deleted && <span>edited</span>}
            <time dateTime={message.createdAt} dir="auto">{timeOfDay(message.createdAt)}</time>
            {mine && !deleted && <Tick state={message.state} />}
          </span>
        </div>
        {(hovered || focused) && !deleted && message.id !== undefined && (
          <div className={css.actions}>
            {writable && (
              <IconButton
                icon="reply"
                label="Reply"
                tabIndex={-1}
                onClick={() => {
                  actions.reply(message);
                }}
              />
            )}
            <IconButton
              icon="more"
              label="More"
              tabIndex={-1}
              aria-haspopup="menu"
              onClick={(event) => {
                const box = event.currentTarget.getBoundingClientRect();
                actions.menu(message, { x: box.left, y: box.bottom });
              }}
            />
          </div>
        )}
      </div>
      {message.reactions.length > 0 && !deleted && <Reactions message={message} people={people} onReact={actions.react} />}
      {message.state === "failed" && (
        <div className={css.failure} role="alert">
          <span>Not sent{message.error === undefined ? "." : `: ${message.error.message}`}</span>
          <Button
            tone="quiet"
            onClick={() => {
              actions.retry(message);
            }}
          >
            Try again
          </Button>
          <Button
            tone="quiet"
            onClick={() => {
              actions.discard(message);
            }}
          >
            Discard
          </Button>
        </div>
      )}
    </div>
  );
});
