import { useCallback, useEffect, useMemo, useRef, useState, type DragEvent } from "react";
import type { ConversationId, MessageView } from "../../sync/api";
import { IconButton } from "../../ui/button";
import { later } from "../../ui/later";
import { Composer } from "../composer/composer";
import { useStaged } from "../composer/staged";
import { useClient, useConversation, useScreen } from "../messenger/context";
import { sentence } from "../messenger/failure";
import { NotOpened } from "../messenger/not-opened";
import { Announcer } from "./announcer";
import { ChatHeader } from "./chat-header";
import { History } from "./history";
import type { RowActions } from "./message-row";
import { TypingLine } from "./typing-line";
import css from "./chat-pane.module.css";

const MessageMenu = later(async () => ({ default: (await import("./message-menu")).MessageMenu }), {
  failed: ({ onClose }) => <NotOpened onClose={onClose} />,
});

/** One conversation: its head, its history, and what is being written. */
export function ChatPane({ conversationId }: { conversationId: ConversationId }) {
  const client = useClient();
  const conversation = useConversation(conversationId);
  const window = useMessageWindow(conversationId);
  const compose = useScreen((screen) => screen.compose);
  const back = useScreen((screen) => screen.back);
  const say = useScreen((screen) => screen.say);
  const [menu, setMenu] = useState<{ message: MessageView; at: { x: number; y: number } }>();
  const [over, setOver] = useState(false);
  const staged = useStaged();
  const input = useRef<HTMLTextAreaElement>(null);

  const attempt = useCallback(
    (work: Promise<unknown>) => {
      work.catch((error: unknown) => {
        say(sentence(error));
      });
    },
    [say],
  );
  const focusInput = useCallback(() => {
    input.current?.focus();
  }, []);
  const react = useCallback(
    (message: MessageView, emoji: string) => {
      if (message.id !== undefined) attempt(client.messages.react(conversationId, message.id, emoji));
    },
    [attempt, client, conversationId],
  );
  const actions = useMemo<RowActions>(
    () => ({
      menu: (message, at) => {
        if (!message.deleted) setMenu({ message, at });
      },
      reply: (message) => {
        compose(conversationId, { mode: "reply", message });
        focusInput();
      },
      react,
      retry: (message) => {
        if (message.clientMessageId !== undefined) attempt(client.messages.retry(message.clientMessageId));
      },
      discard: (message) => {
        if (message.clientMessageId !== undefined) attempt(client.messages.discard(message.clientMessageId));
      },
    }),
    [attempt, client, compose, conversationId, focusInput, react],
  );

  if (conversation === undefined || window === undefined) {
    return (
      <div className={css.pane} aria-busy="true">
        <div className={css.bareHead}>
          <IconButton icon="back" label="Back" onClick={back} />
        </div>
      </div>
    );
  }

  const dropping = {
    onDragOver: (event: DragEvent) => {
      if (!event.dataTransfer.types.includes("Files") || conversation.left) return;
      event.preventDefault();
      setOver(true);
    },
    onDragLeave: (event: DragEvent) => {
      if (!(event.relatedTarget instanceof Node) || !event.currentTarget.contains(event.relatedTarget)) setOver(false);
    },
    onDrop: (event: DragEvent) => {
      if (event.dataTransfer.files.length === 0 || conversation.left) return;
      event.preventDefault();
      setOver(false);
      staged.add([...event.dataTransfer.files]);
      focusInput();
    },
  };

  return (
    <section className={css.pane} aria-label={conversation.title.slice(0, 80)} {...dropping}>
      <ChatHeader conversation={conversation} />
      <History conversation={conversation} window={window} actions={actions} onEscape={focusInput} />
      <Announcer window={window} conversation={conversation} />
      <TypingLine conversation={conversation} />
      <Composer conversation={conversation} input={input} staged={staged} window={window} />
      {over && <div className={css.drop}>Drop files to send them</div>}
      {menu !== undefined && (
        <MessageMenu
          conversation={conversation}
          message={menu.message}
          at={menu.at}
          actions={actions}
          onEditing={focusInput}
          onClose={() => {
            setMenu(undefined);
          }}
        />
      )}
    </section>
  );
}

/** Opened while it is shown; undefined for the first moment. */
function useMessageWindow(conversationId: ConversationId) {
  const client = useClient();
  const [window, setWindow] = useState<ReturnType<typeof client.messages.open>>();
  useEffect(() => {
    const opened = client.messages.open(conversationId);
    setWindow(opened);
    return () => {
      setWindow(undefined);
      opened.close();
    };
  }, [client, conversationId]);
  return window;
}
