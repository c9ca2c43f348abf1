import type { MessageView, Participant, UserId } from "../../sync/api";
import { isolate } from "../conversations/wording";
import { useSelfId } from "../messenger/context";
import css from "./message.module.css";

type ReactionsProps = {
  message: MessageView;
  people: ReadonlyMap<UserId, Participant>;
  onReact: (message: MessageView, emoji: string) => void;
};

/** One button an emoji, most used first; pressing takes one's own back, or joins in. */
export function Reactions({ message, people, onReact }: ReactionsProps) {
  const selfId = useSelfId();
  const byEmoji = new Map<string, UserId[]>();
  for (const { emoji, userId } of message.reactions) byEmoji.set(emoji, [...(byEmoji.get(emoji) ?? []), userId]);
  const sorted = [...byEmoji].sort((a, b) => b[1].length - a[1].length);
  return (
    <div className={[css.reactions, message.mine ? css.reactionsOwn : ""].join(" ")} role="group" aria-label="Reactions">
      {sorted.map(([emoji, users]) => {
        const own = users.includes(selfId);
        const names = users
          .slice(0, 12)
          .map((id) => (id === selfId ? "you" : isolate((people.get(id)?.displayName ?? "someone").slice(0, 40))));
        const label = `${emoji.slice(0, 16)} by ${names.join(", ")}${users.length > 12 ? ` and ${users.length - 12} more` : ""}`;
        return (
          <button
            key={emoji}
            type="button"
            className={[css.reaction, own ? css.reacted : ""].join(" ")}
            aria-pressed={own}
            aria-label={label}
            title={label}
            onClick={() => {
              onReact(message, own ? "" : emoji);
            }}
          >
            <span className={css.reactionEmoji}>{emoji.slice(0, 16)}</span>
            {users.length > 1 && <span>{users.length}</span>}
          </button>
        );
      })}
    </div>
  );
}
