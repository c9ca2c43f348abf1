import type {
  ConnectionState,
  ConversationView,
  MessageView,
  MurreClient,
  OutgoingMessage,
  Participant,
  SessionSnapshot,
  Stats,
  User,
  WindowSnapshot,
} from "../../sync/api";
import { liveValue } from "./live-value";

export const self: User = { id: "u-self", username: "mara", displayName: "Mara Lund" };
export const other: User = { id: "u-other", username: "jonas", displayName: "Jonas Vik" };

export function member(user: User, role: Participant["role"] = "member"): Participant {
  return { userId: user.id, username: user.username, displayName: user.displayName, role };
}

export function message(n: number, over: Partial<MessageView> = {}): MessageView {
  const id = String(n).padStart(13, "0");
  const mine = over.mine ?? n % 2 === 0;
  return {
    key: id,
    id,
    clientMessageId: `c-${id}`,
    conversationId: "direct",
    senderId: mine ? self.id : other.id,
    mine,
    content: `message ${n}`,
    contentType: "text",
    reactions: [],
    createdAt: new Date(Date.UTC(2026, 5, 1, 8) + n * 60_000).toISOString(),
    deleted: false,
    state: mine ? "read" : "received",
    ...over,
  };
}

export function conversation(over: Partial<ConversationView> = {}): ConversationView {
  const at = new Date(Date.UTC(2026, 5, 1, 8)).toISOString();
  return {
    id: "direct",
    type: "direct",
    title: other.displayName,
    name: "",
    participants: [member(self), member(other)],
    participantCount: 2,
    myRole: "member",
    peer: member(other),
    unreadCount: 0,
    muted: false,
    archived: false,
    typing: [],
    updatedAt: at,
    createdAt: at,
    left: false,
    draft: "",
    ...over,
  };
}

export interface Call {
  name: string;
  args: readonly unknown[];
}

/**
 * The engine's face without an engine: shows what a test scripted, and notes what the interface asked for. Windows show the newest
 * `page` messages and grow by as many.
 */
export function scriptedClient(
  script: { conversations?: ConversationView[]; messages?: MessageView[]; page?: number; signedIn?: boolean } = {},
) {
  const calls: Call[] = [];
  const note =
    (name: string) =>
    async (...args: unknown[]) => {
      calls.push({ name, args });
    };
  const noted =
    (name: string) =>
    (...args: unknown[]) => {
      calls.push({ name, args });
    };
  const session = liveValue<SessionSnapshot>(
    script.signedIn === false ? { state: "signed-out", user: null, deviceId: null } : { state: "signed-in", user: self, deviceId: "d" },
  );
  const connection = liveValue<ConnectionState>({ state: "live", sinceMs: 0 });
  const conversations = liveValue<readonly ConversationView[]>(script.conversations ?? [conversation()]);
  const messages = liveValue<readonly MessageView[]>(script.messages ?? []);
  const outbox = liveValue<readonly MessageView[]>([]);
  const blocked = liveValue<readonly User[]>([]);
  const stats = liveValue<Stats>({
    sent: 0,
    received: 0,
    lost: 0,
    doubled: 0,
    reordered: 0,
    duplicatesDropped: 0,
    reconnects: 0,
    catchUps: 0,
  });
  const heard = new Set<Parameters<MurreClient["messages"]["onMessage"]>[0]>();
  const page = script.page ?? 50;

  function open(conversationId: string): ReturnType<MurreClient["messages"]["open"]> {
    let kept: { of: readonly MessageView[]; own: MessageView[] } | undefined;
    const all = () => {
      const of = messages.get();
      if (kept?.of !== of) kept = { of, own: of.filter((one) => one.conversationId === conversationId) };
      return kept.own;
    };
    let from = Math.max(0, all().length - page);
    const snapshot = (): WindowSnapshot => ({
      items: all().slice(from),
      loaded: true,
      findingUnread: false,
      hasOlder: from > 0,
      hasNewer: false,
      loadingOlder: false,
      loadingNewer: false,
    });
    const live = liveValue(snapshot());
    const unsubscribe = messages.subscribe(() => {
      live.set(snapshot());
    });
    return {
      ...live,
      conversationId,
      async loadOlder() {
        from = Math.max(0, from - page);
        live.set(snapshot());
      },
      loadNewer: note("loadNewer"),
      async jumpTo(id) {
        const index = all().findIndex((one) => one.id === id);
        if (index < 0) return false;
        from = Math.min(from, Math.max(0, index - page));
        live.set(snapshot());
        return true;
      },
      jumpToNewest: note("jumpToNewest"),
      close: unsubscribe,
    };
  }

  async function send(conversationId: string, outgoing: OutgoingMessage) {
    calls.push({ name: "send", args: [conversationId, outgoing] });
    const n = messages.get().length + 1;
    messages.set([
      ...messages.get(),
      message(n, { mine: true, conversationId, content: outgoing.content, state: "sending", createdAt: new Date().toISOString() }),
    ]);
    return `c-${n}`;
  }

  const client: MurreClient = {
    ready: Promise.resolve(),
    session: {
      ...session,
      register: async (...args) => {
        await note("register")(...args);
        return self;
      },
      login: async (...args) => {
        await note("login")(...args);
        return self;
      },
      logout: note("logout"),
      me: async () => self,
      updateMe: async (...args) => {
        await note("updateMe")(...args);
        return self;
      },
      changePassword: note("changePassword"),
      sessions: async () => [],
      revokeSession: note("revokeSession"),
      revokeOtherSessions: note("revokeOtherSessions"),
      devices: async () => [],
      deleteDevice: note("deleteDevice"),
    },
    connection: {
      ...connection,
      syncedUpTo: () => null,
      clockSkewMs: () => 0,
      isLeader: () => true,
      reconnect: noted("reconnect"),
      goOffline: noted("goOffline"),
      goOnline: noted("goOnline"),
      killConnection: noted("killConnection"),
    },
    conversations: {
      ...conversations,
      loaded: () => true,
      one: (id) => ({ get: () => conversations.get().find((one) => one.id === id), subscribe: conversations.subscribe }),
      refresh: note("refresh"),
      createDirect: async (...args) => {
        await note("createDirect")(...args);
        return conversation();
      },
      createGroup: async (...args) => {
        await note("createGroup")(...args);
        return conversation();
      },
      createChannel: async (...args) => {
        await note("createChannel")(...args);
        return conversation();
      },
      rename: note("rename"),
      setAvatar: note("setAvatar"),
      addMembers: note("addMembers"),
      removeMember: note("removeMember"),
      setRole: note("setRole"),
      members: async () => ({ members: [] }),
      leave: note("leave"),
      setMuted: note("setMuted"),
      setArchived: note("setArchived"),
      setDraft: noted("setDraft"),
      typing: noted("typing"),
      markRead: noted("markRead"),
    },
    messages: {
      open,
      send,
      sent: async () => message(1),
      retry: note("retry"),
      discard: note("discard"),
      edit: note("edit"),
      remove: note("remove"),
      react: note("react"),
      receipts: async () => [],
      searchCached: async () => [],
      pictureBeside: async () => undefined,
      outbox,
      onMessage(listener) {
        heard.add(listener);
        return () => {
          heard.delete(listener);
        };
      },
    },
    media: {
      url: (id) => `/api/v1/media/${id}`,
      source: async () => ({ url: "/icon.svg", release: () => undefined }),
      cancel: noted("cancel"),
      resume: noted("resume"),
    },
    users: {
      search: async () => [],
      get: async () => other,
      blocked,
      refreshBlocked: note("refreshBlocked"),
      block: note("block"),
      unblock: note("unblock"),
    },
    presence: { of: () => liveValue(undefined) },
    onEvent: () => () => undefined,
    stats,
    close: note("close"),
  };
  return { client, calls, session, connection, conversations, messages, outbox };
}
