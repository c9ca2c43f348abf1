import { useEffect, useMemo } from "react";
import { useStore } from "zustand";
import { isolate, preview } from "../conversations/wording";
import { appearance } from "../messenger/appearance";
import { useClient, useLive, useScreen } from "../messenger/context";

/** What a page tells of itself while nobody looks at it: notifications, and the count in its title. */
export function usePageSignals(page: boolean) {
  const client = useClient();
  const open = useScreen((screen) => screen.open);
  const conversations = useLive(client.conversations);
  const wanted = useStore(appearance, (now) => now.notifications);

  const unread = useMemo(
    () => conversations.reduce((sum, one) => sum + (one.muted || one.archived ? 0 : one.unreadCount), 0),
    [conversations],
  );

  useEffect(() => {
    if (!page) return;
    document.title = unread === 0 ? "Murre" : `(${unread > 99 ? "99+" : unread}) Murre`;
    return () => {
      document.title = "Murre";
    };
  }, [page, unread]);

  useEffect(() => {
    if (!page || !wanted || !("Notification" in globalThis)) return;
    return client.messages.onMessage((message, conversation) => {
      if (document.visibilityState === "visible" || Notification.permission !== "granted") return;
      if (message.mine || conversation === undefined || conversation.muted) return;
      const author = conversation.participants.find((member) => member.userId === message.senderId)?.displayName ?? "";
      const title = conversation.title.slice(0, 80);
      const body =
        conversation.type === "direct" || author === "" ? preview(message) : `${isolate(author.slice(0, 40))}: ${preview(message)}`;
      try {
        const shown = new Notification(title, { body, tag: conversation.id, icon: "/icon.svg" });
        shown.onclick = () => {
          focus();
          open(conversation.id, message.id);
          shown.close();
        };
      } catch {
        // Some phones allow notifications from a service worker only; the badge in the title remains.
      }
    });
  }, [client, open, page, wanted]);
}
