import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import type { ConversationId, MurreClient } from "../../sync/api";
import { MessengerContext } from "./context";
import { loadChat, Messenger } from "./messenger";
import { createScreen } from "./screen";
import { browserTrail, routeOf } from "./trail";

export interface MountOptions {
  /** Whether this messenger owns the address bar, the back button, the title and notifications. Only one on a page may. */
  page?: boolean;
  /** The conversation to begin with, where the address bar doesn't say. */
  conversation?: ConversationId;
}

/** Puts a messenger into an element, which gives it its size. Returns what takes it out again; the client stays open. */
export function mountMessenger(element: HTMLElement, client: MurreClient, { page = false, conversation }: MountOptions = {}): () => void {
  const trail = page ? browserTrail() : undefined;
  const screen = createScreen(page ? routeOf(location.hash) : { conversationId: conversation ?? null, details: false }, trail);
  const unfollow = trail?.follow((route) => {
    screen.getState().restore(route);
  });
  if (screen.getState().route.conversationId !== null) loadChat().catch(() => undefined);
  const root = createRoot(element);
  root.render(
    <StrictMode>
      <MessengerContext value={{ client, screen }}>
        <Messenger page={page} />
      </MessengerContext>
    </StrictMode>,
  );
  return () => {
    unfollow?.();
    root.unmount();
  };
}
