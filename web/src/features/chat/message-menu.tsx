import { useState } from "react";
import type { ConversationView, MessageView } from "../../sync/api";
import { Menu, type MenuItem } from "../../ui/menu";
import { IconButton } from "../../ui/button";
import { later } from "../../ui/later";
import { useScreen, useSelfId } from "../messenger/context";
import { NotOpened } from "../messenger/not-opened";
import type { RowActions } from "./message-row";
import css from "./chat-pane.module.css";

const EmojiDialog = later(() => import("./emoji-dialog"), { failed: ({ onClose }) => <NotOpened onClose={onClose} /> });

const quick = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

type MenuProps = {
  conversation: ConversationView;
  message: MessageView;
  at: { x: number; y: number };
  actions: RowActions;
  onEditing: () => void;
  onClose: () => void;
};

/** What can be done with a message: a reaction at once, the rest by name. */
export function MessageMenu({ conversation, message, at, actions, onEditing, onClose }: MenuProps) {
  const selfId = useSelfId();
  const compose = useScreen((screen) => screen.compose);
  const show = useScreen((screen) => screen.show);
  const say = useScreen((screen) => screen.say);
  const [choosing, setChoosing] = useState(false);
  const { mine, id, content } = message;
  const stored = id !== undefined;
  const writable = stored && !conversation.left;
  const own = message.reactions.find((reaction) => reaction.userId === selfId)?.emoji;

  function choose(emoji: string) {
    onClose();
    actions.react(message, emoji === own ? "" : emoji);
  }

  if (choosing) {
    return (
      <EmojiDialog title="React" onChoose={choose} onClose={onClose} />
    );
  }

  const items: (MenuItem | false)[] = [
    writable && {
      label: "Reply",
      icon: "reply",
      onSelect: () => {
        actions.reply(message);
      },
    },
    content !== "" && {
      label: "Copy text",
      icon: "copy",
      onSelect: () => {
        navigator.clipboard.writeText(content).then(
          () => {
            say("Copied.");
          },
          () => {
            say("This browser doesn't allow copying.");
          },
        );
      },
    },
    writable &&
      mine &&
      message.contentType === "text" && {
        label: "Edit",
        icon: "edit",
        onSelect: () => {
          compose(conversation.id, { mode: "edit", message });
          onEditing();
        },
      },
    stored &&
      mine && {
        label: "Who has read it",
        icon: "info",
        onSelect: () => {
          show({ kind: "receipts", message });
        },
      },
    message.state === "failed" && {
      label: "Try again",
      icon: "retry",
      onSelect: () => {
        actions.retry(message);
      },
    },
    message.state === "failed" && {
      label: "Discard",
      icon: "trash",
      danger: true,
      onSelect: () => {
        actions.discard(message);
      },
    },
    writable && (mine || conversation.myRole === "admin") && conversation.type !== "direct" && !mine
      ? {
          label: "Delete for everyone",
          icon: "trash",
          danger: true,
          onSelect: () => {
            show({ kind: "delete", message });
          },
        }
      : writable &&
        mine && {
          label: "Delete",
          icon: "trash",
          danger: true,
          onSelect: () => {
            show({ kind: "delete", message });
          },
        },
  ];

  return (
    <Menu
      label="Message"
      at={at}
      onClose={onClose}
      items={items.filter((item) => item !== false)}
      head={
        writable ? (
          <div className={css.quick} role="group" aria-label="React">
            {quick.map((emoji, index) => (
              <button
                key={emoji}
                type="button"
                className={css.emoji}
                aria-label={`React with ${emoji}`}
                aria-pressed={emoji === own}
                data-autofocus={index === 0 ? "" : undefined}
                onClick={() => {
                  choose(emoji);
                }}
              >
                {emoji}
              </button>
            ))}
            <IconButton
              icon="plus"
              label="More reactions"
              onClick={() => {
                setChoosing(true);
              }}
            />
          </div>
        ) : undefined
      }
    />
  );
}
