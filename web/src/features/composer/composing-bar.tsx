import type { ConversationView } from "../../sync/api";
import { IconButton } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { Name } from "../../ui/name";
import { preview } from "../conversations/wording";
import type { Composing } from "../messenger/screen";
import css from "./composer.module.css";

export function ComposingBar({
  composing,
  conversation,
  onCancel,
}: {
  composing: Composing;
  conversation: ConversationView;
  onCancel: () => void;
}) {
  const { mode, message } = composing;
  const author = conversation.participants.find((member) => member.userId === message.senderId)?.displayName ?? "a message";
  return (
    <div className={css.bar}>
      <Icon name={mode === "reply" ? "reply" : "edit"} size={20} />
      <div className={css.barWords}>
        <span className={css.barTitle}>
          {mode === "edit" ? (
            "Edit message"
          ) : message.mine ? (
            "Reply to yourself"
          ) : (
            <>
              Reply to <Name>{author}</Name>
            </>
          )}
        </span>
        <bdi dir="auto" className={css.barText}>
          {preview(message)}
        </bdi>
      </div>
      <IconButton icon="close" label={mode === "reply" ? "Cancel the reply" : "Cancel the edit"} onClick={onCancel} />
    </div>
  );
}
