import { createContext, useCallback, useContext, useMemo, useSyncExternalStore } from "react";
import { useStore } from "zustand";
import type { ConversationId, ConversationView, Live, MurreClient } from "../../sync/api";
import type { Screen, ScreenStore } from "./screen";

/** What one mounted messenger stands on: several may live in one page, each with its own client and screen. */
export interface MessengerScope {
  client: MurreClient;
  screen: ScreenStore;
}

export const MessengerContext = createContext<MessengerScope | null>(null);

function useScope(): MessengerScope {
  const scope = useContext(MessengerContext);
  if (scope === null) throw new Error("used outside a messenger");
  return scope;
}

export function useClient(): MurreClient {
  return useScope().client;
}

export function useScreen<T>(select: (screen: Screen) => T): T {
  return useStore(useScope().screen, select);
}

export function useScreenStore(): ScreenStore {
  return useScope().screen;
}

/** Follows a value of the engine. */
export function useLive<T>(live: Live<T>): T {
  const subscribe = useCallback((listener: () => void) => live.subscribe(listener), [live]);
  const get = useCallback(() => live.get(), [live]);
  return useSyncExternalStore(subscribe, get, get);
}

const never: Live<undefined> = { get: () => undefined, subscribe: () => () => undefined };

export function useConversation(id: ConversationId | null): ConversationView | undefined {
  const client = useClient();
  const live = useMemo(() => (id === null ? never : client.conversations.one(id)), [client, id]);
  return useLive<ConversationView | undefined>(live);
}

export function useSelfId(): string {
  return useLive(useClient().session).user?.id ?? "";
}
