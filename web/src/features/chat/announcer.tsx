import { useEffect, useState } from "react";
import type { ConversationView, MessageWindow } from "../../sync/api";
import { isolate, preview } from "../conversations/wording";
import { useClient } from "../messenger/context";

/** Says messages that come in while the conversation is open, and only those, to screen readers. */
export function Announcer({ window, conversation }: { window: MessageWindow; conversation: ConversationView }) {
  const client = useClient();
  const [said, setSaid] = useState("");
  const { id, participants } = conversation;
  useEffect(
    () =>
      client.messages.onMessage((message) => {
        if (message.conversationId !== id || message.mine || window.get().hasNewer) return;
        const name = participants.find((member) => member.userId === message.senderId)?.displayName ?? "";
        setSaid(`${isolate(name.slice(0, 60))}: ${preview(message)}`);
      }),
    [client, id, participants, window],
  );
  return (
    <div className="visually-hidden" aria-live="polite">
      {said}
    </div>
  );
}
