import type { MessageId, MessageView, Participant, UserId } from "../../sync/api";
import { preview } from "../conversations/wording";
import { useSelfId } from "../messenger/context";
import { SenderName } from "./sender";
import css from "./message.module.css";

type QuoteProps = { message: MessageView; people: ReadonlyMap<UserId, Participant>; onJump: (id: MessageId) => void };

/** The message that another one answers; leads to it. */
export function Quote({ message, people, onJump }: QuoteProps) {
  const selfId = useSelfId();
  const { replyToId, replyTo } = message;
  if (replyToId === undefined) return null;
  return (
    <button
      type="button"
      className={css.quote}
      aria-label="Go to the message this answers"
      onClick={() => {
        onJump(replyToId);
      }}
    >
      {replyTo === undefined ? (
        <span className={css.quoted}>An earlier message</span>
      ) : (
        <>
          <span className={css.quotedName}>
            {replyTo.senderId === selfId ? "You" : <SenderName id={replyTo.senderId} people={people} />}
          </span>
          <bdi dir="auto" className={css.quoted}>
            {preview(replyTo)}
          </bdi>
        </>
      )}
    </button>
  );
}
