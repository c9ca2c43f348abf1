import { memo } from "react";
import type { ConversationId, ConversationView } from "../../sync/api";
import { Avatar } from "../../ui/avatar";
import { Icon } from "../../ui/icon";
import { Name } from "../../ui/name";
import { Tick } from "../chat/tick";
import { useMediaSource } from "../media/source";
import { listTime, preview, previewAuthor, typingLine } from "./wording";
import css from "./conversation-list.module.css";

type RowProps = {
  id: string;
  index: number;
  size: number;
  start: number;
  conversation: ConversationView;
  selected: boolean;
  active: boolean;
  now: number;
  onOpen: (id: ConversationId) => void;
};

export const ConversationRow = memo(function ConversationRow({
  id,
  index,
  size,
  start,
  conversation,
  selected,
  active,
  now,
  onOpen,
}: RowProps) {
  const { title, type, lastMessage, unreadCount, presence, muted, avatarUrl } = conversation;
  const avatar = useMediaSource(avatarUrl === undefined ? null : { path: avatarUrl });
  const online = presence?.status === "online";
  const at = lastMessage?.createdAt ?? conversation.updatedAt;
  return (
    // The listbox holds the focus and the keys; an option only answers the pointer.
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
    <div
      id={id}
      role="option"
      aria-selected={selected}
      aria-posinset={index + 1}
      aria-setsize={size}
      data-index={index}
      data-conversation={conversation.id}
      className={[css.row, selected ? css.selected : "", active ? css.active : ""].join(" ")}
      style={{ transform: `translateY(${start}px)` }}
      onClick={() => {
        onOpen(conversation.id);
      }}
    >
      <Avatar
        id={conversation.peer?.userId ?? conversation.id}
        name={title}
        url={avatar}
        kind={type === "direct" ? "person" : type}
        online={online}
      />
      <span className={css.middle}>
        <span className={css.line}>
          <Name className={css.name}>{title}</Name>
          {online && <span className="visually-hidden">, online</span>}
          {muted && (
            <span className={css.muted} title="Muted">
              <Icon name="mute" size={15} />
              <span className="visually-hidden">, muted</span>
            </span>
          )}
          <time className={css.time} dateTime={at} dir="auto">
            {listTime(at, new Date(now))}
          </time>
        </span>
        <span className={css.line}>
          <Preview conversation={conversation} />
          {unreadCount > 0 && (
            <span className={[css.badge, muted ? css.quiet : ""].join(" ")}>
              {unreadCount >= 100 ? "99+" : unreadCount}
              <span className="visually-hidden"> unread</span>
            </span>
          )}
        </span>
      </span>
    </div>
  );
});

function Preview({ conversation }: { conversation: ConversationView }) {
  const { typing, draft, lastMessage } = conversation;
  if (typing.length > 0) {
    return (
      <span className={css.typing}>
        <bdi dir="auto">
          {typingLine(
            typing.map((one) => one.displayName),
            conversation.type === "direct",
          )}
        </bdi>
      </span>
    );
  }
  if (draft.trim() !== "") {
    return (
      <span className={css.last}>
        <bdi className={[css.author, css.draft].join(" ")}>Draft:</bdi>
        <bdi dir="auto" className={css.text}>
          {draft.slice(0, 200)}
        </bdi>
      </span>
    );
  }
  if (lastMessage === undefined) return <span className={css.preview}>{conversation.left ? "You left" : "No messages yet"}</span>;
  const author = previewAuthor(conversation, lastMessage);
  return (
    <span className={css.last}>
      {lastMessage.mine && !lastMessage.deleted && <Tick state={lastMessage.state} />}
      {author !== "" && author !== "You" && <Name className={css.author}>{`${author.slice(0, 60)}:`}</Name>}
      <bdi dir="auto" className={[css.text, lastMessage.deleted ? css.deleted : ""].join(" ")}>
        {preview(lastMessage)}
      </bdi>
    </span>
  );
}
