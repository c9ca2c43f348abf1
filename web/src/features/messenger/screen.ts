import { createStore, type StoreApi } from "zustand/vanilla";
import type { ConversationId, MessageId, MessageView } from "../../sync/api";

/** Where the user is: on a phone each step is a page of its own, on a desktop the panes stand side by side. */
export interface Route {
  conversationId: ConversationId | null;
  details: boolean;
}

export type SettingsPage = "profile" | "appearance" | "devices" | "blocked" | "account";

export type ScreenDialog =
  | { kind: "new"; page: "person" | "group" | "channel" }
  | { kind: "settings"; page: SettingsPage }
  | { kind: "receipts"; message: MessageView }
  | { kind: "delete"; message: MessageView }
  | { kind: "members"; conversationId: ConversationId }
  | { kind: "lightbox"; message: MessageView };

/** What the composer of a conversation is about to do besides sending something new. */
export type Composing = { mode: "reply"; message: MessageView } | { mode: "edit"; message: MessageView };

export interface Screen {
  route: Route;
  /** A message to show and to light up; the count makes asking twice for the same one two requests. */
  target: { conversationId: ConversationId; messageId: MessageId; count: number } | null;
  dialog: ScreenDialog | null;
  composing: Readonly<Record<ConversationId, Composing>>;
  toast: { text: string; count: number } | null;
  /** Counts requests to put the cursor into the search field. */
  searchFocus: number;

  open(id: ConversationId, at?: MessageId): void;
  showDetails(shown: boolean): void;
  back(): void;
  /** From the History API: takes the route as it is, without a new entry. */
  restore(route: Route): void;
  show(dialog: ScreenDialog | null): void;
  compose(id: ConversationId, composing: Composing | null): void;
  say(text: string): void;
  focusSearch(): void;
}

export type ScreenStore = StoreApi<Screen>;

/** The part of the browser's history that a screen uses; absent where a messenger is one of several on its page. */
export interface Trail {
  push(route: Route): void;
  replace(route: Route): void;
  /** Goes one step back if that step was made here, and says whether. */
  back(): boolean;
}

export function createScreen(start: Route, trail?: Trail): ScreenStore {
  return createStore<Screen>((set, get) => {
    function go(route: Route, deeper: boolean) {
      const now = get().route;
      if (now.conversationId === route.conversationId && now.details === route.details) return;
      if (deeper) trail?.push(route);
      else trail?.replace(route);
      set({ route });
    }
    return {
      route: start,
      target: null,
      dialog: null,
      composing: {},
      toast: null,
      searchFocus: 0,

      open(id, at) {
        const now = get().route;
        if (at !== undefined) set({ target: { conversationId: id, messageId: at, count: (get().target?.count ?? 0) + 1 } });
        go({ conversationId: id, details: now.details && now.conversationId === id }, now.conversationId === null);
      },
      showDetails(shown) {
        const now = get().route;
        if (now.conversationId === null || now.details === shown) return;
        if (shown) go({ ...now, details: true }, true);
        else if (trail === undefined || !trail.back()) go({ ...now, details: false }, false);
      },
      back() {
        if (trail?.back() === true) return;
        const now = get().route;
        go(now.details ? { ...now, details: false } : { conversationId: null, details: false }, false);
      },
      restore(route) {
        set({ route });
      },
      show(dialog) {
        set({ dialog });
      },
      compose(id, composing) {
        const rest = Object.fromEntries(Object.entries(get().composing).filter(([other]) => other !== id));
        set({ composing: composing === null ? rest : { ...rest, [id]: composing } });
      },
      say(text) {
        set({ toast: { text, count: (get().toast?.count ?? 0) + 1 } });
      },
      focusSearch() {
        set({ searchFocus: get().searchFocus + 1 });
      },
    };
  });
}
