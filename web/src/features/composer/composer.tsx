import {
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
  type ClipboardEvent,
  type KeyboardEvent,
  type RefObject,
} from "react";
import type { ConversationView, MessageWindow } from "../../sync/api";
import { IconButton } from "../../ui/button";
import { later } from "../../ui/later";
import { contentTypeOf } from "../media/measures";
import { useClient, useScreen } from "../messenger/context";
import { NotOpened } from "../messenger/not-opened";
import { sentence } from "../messenger/failure";
import { ComposingBar } from "./composing-bar";
import { useDraft } from "./draft";
import { room } from "./length";
import type { Staged } from "./staged";
import { StagedStrip } from "./staged-strip";
import css from "./composer.module.css";

const EmojiDialog = later(() => import("../chat/emoji-dialog"), { failed: ({ onClose }) => <NotOpened onClose={onClose} /> });

type ComposerProps = {
  conversation: ConversationView;
  input: RefObject<HTMLTextAreaElement | null>;
  staged: Staged;
  window: MessageWindow;
};

/** The address of the conversation that the page began with, until a composer was shown. */
let begunWith: string | undefined = location.href;

export function Composer({ conversation, input, staged, window }: ComposerProps) {
  const client = useClient();
  const { id } = conversation;
  const composing = useScreen((screen) => screen.composing[id]);
  const compose = useScreen((screen) => screen.compose);
  const say = useScreen((screen) => screen.say);
  const [text, setText] = useState(conversation.draft);
  const [choosing, setChoosing] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const draft = useDraft(id, text, composing?.mode !== "edit");
  const editing = composing?.mode === "edit" ? composing.message : undefined;
  const left = room(text);
  const sendable = (text.trim() !== "" || (staged.files.length > 0 && editing === undefined)) && (left === undefined || left >= 0);

  // Editing borrows the field; the draft comes back afterwards.
  const editingKey = editing?.key;
  const content = editing?.content;
  useEffect(() => {
    if (editingKey === undefined || content === undefined) return;
    const kept = draft.current;
    setText(content);
    return () => {
      setText(kept);
    };
  }, [editingKey, content, draft]);

  // A phone's keyboard shouldn't cover the history before anybody wants to write. And the conversation that a page begins with
  // may come after somebody has gone to the search: what is typed there must not end in a draft.
  useEffect(() => {
    const elsewhere = location.href === begunWith && document.activeElement !== document.body;
    begunWith = undefined;
    if (!elsewhere && matchMedia("(hover: hover)").matches) input.current?.focus();
  }, [input]);

  useLayoutEffect(() => {
    const field = input.current;
    if (field === null) return;
    field.style.blockSize = "auto";
    field.style.blockSize = `${field.scrollHeight}px`;
  }, [text, input]);

  if (conversation.left) return <p className={css.closed}>You are no longer a member of this conversation.</p>;
  if (conversation.type === "channel" && conversation.myRole !== "admin")
    return <p className={css.closed}>Only admins post in this channel.</p>;

  async function send() {
    if (!sendable) return;
    const body = text.trim();
    if (editing !== undefined) {
      compose(id, null);
      if (editing.id !== undefined && body !== editing.content) await client.messages.edit(id, editing.id, body);
      return;
    }
    const replyTo = composing?.message.id === undefined ? {} : { replyTo: composing.message.id };
    const files = staged.files;
    setText("");
    draft.clear();
    staged.clear();
    if (composing !== undefined) compose(id, null);
    client.conversations.typing(id, false);
    // What one sends one wants to see.
    if (window.get().hasNewer) void window.jumpToNewest().catch(() => undefined);
    const parts = files.map(({ file }, index) => ({
      content: index === 0 ? body : "",
      contentType: contentTypeOf(file),
      media: file,
      ...(index === 0 ? replyTo : {}),
    }));
    for (const part of parts) await client.messages.send(id, part);
    if (parts.length === 0) await client.messages.send(id, { content: body, ...replyTo });
  }

  function trySend() {
    send().catch((error: unknown) => {
      say(sentence(error));
    });
    input.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.nativeEvent.isComposing) return;
    // A finger's keyboard has no Shift+Enter: there Enter is a new line, and the button sends.
    if (event.key === "Enter" && !event.shiftKey && !matchMedia("(hover: none) and (pointer: coarse)").matches) {
      event.preventDefault();
      trySend();
    } else if (event.key === "Escape" && composing !== undefined) {
      event.stopPropagation();
      compose(id, null);
    } else if (event.key === "ArrowUp" && text === "") {
      const own = window
        .get()
        .items.findLast((message) => message.mine && !message.deleted && message.id !== undefined && message.contentType === "text");
      if (own === undefined || window.get().hasNewer) return;
      event.preventDefault();
      compose(id, { mode: "edit", message: own });
    }
  }

  function onPaste(event: ClipboardEvent) {
    const files = [...event.clipboardData.files];
    if (files.length === 0) return;
    event.preventDefault();
    staged.add(files);
  }

  function insert(emoji: string) {
    const field = input.current;
    const at = field?.selectionStart ?? text.length;
    setText(text.slice(0, at) + emoji + text.slice(field?.selectionEnd ?? at));
    setChoosing(false);
  }

  return (
    <form
      className={css.composer}
      aria-label={`Write to ${conversation.title.slice(0, 80)}`}
      onSubmit={(event) => {
        event.preventDefault();
        trySend();
      }}
    >
      {composing !== undefined && (
        <ComposingBar
          composing={composing}
          conversation={conversation}
          onCancel={() => {
            compose(id, null);
          }}
        />
      )}
      {staged.files.length > 0 && editing === undefined && <StagedStrip staged={staged} />}
      <div className={css.line}>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          aria-hidden="true"
          onChange={(event) => {
            staged.add([...(event.target.files ?? [])]);
            event.target.value = "";
            input.current?.focus();
          }}
        />
        <IconButton icon="attach" label="Attach files" disabled={editing !== undefined} onClick={() => picker.current?.click()} />
        <div className={css.box}>
          <textarea
            ref={input}
            className={css.input}
            rows={1}
            dir="auto"
            placeholder={staged.files.length > 0 ? "Add a caption" : "Message"}
            aria-label="Message"
            value={text}
            onKeyDown={onKeyDown}
            onPaste={onPaste}
            onChange={(event) => {
              setText(event.target.value);
              if (editing === undefined) client.conversations.typing(id, event.target.value !== "");
            }}
          />
          <IconButton
            icon="smile"
            label="Emoji"
            onClick={() => {
              input.current?.focus(); // where the picker gives the focus back to
              setChoosing(true);
            }}
          />
        </div>
        {left !== undefined && (
          <span className={left < 0 ? css.over : css.left} role="status">
            {left}
          </span>
        )}
        <IconButton
          type="submit"
          icon={editing === undefined ? "send" : "check"}
          tone="accent"
          label={editing === undefined ? "Send" : "Save"}
          disabled={!sendable}
        />
      </div>
      {choosing && (
        <EmojiDialog
          title="Emoji"
          onChoose={insert}
          onClose={() => {
            setChoosing(false);
          }}
        />
      )}
    </form>
  );
}
