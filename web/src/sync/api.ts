/**
 * The engine's public face: types only. The interface, the demo, bots and tests use nothing else.
 *
 * Everything that changes is a Live value: read it with get(), hear of changes with subscribe(). get() returns the same
 * object until something changed, so it fits React's useSyncExternalStore as it is. What a Live value holds is never
 * changed in place.
 *
 * All times are RFC 3339 strings of the server's clock unless a name ends in Ms or says otherwise. Message ids sort as text.
 */

import type { WebSocketConstructor, WebSocketLike } from '../transport'

export type UserId = string
export type ConversationId = string
export type MessageId = string
export type ClientMessageId = string
export type EventId = string
export type MediaId = string
export type DeviceId = string

export type Unsubscribe = () => void

/** A value that changes, for useSyncExternalStore and for bots. */
export interface Live<T> {
  get(): T
  /** The listener is told after each change; several changes of one moment are told once. */
  subscribe(listener: () => void): Unsubscribe
}

// ── Making a client ────────────────────────────────────────────────────────────────────────────────────────────────

export interface ClientOptions {
  /** The server's origin, such as `https://chat.example.org`; default in a browser: the page's own. */
  url?: string
  /**
   * Where the cache and the outbox live: the name of an IndexedDB database, 'memory', or a store of one's own.
   * Default: 'murre' in IndexedDB when there is one, else 'memory'.
   */
  storage?: string | object
  /**
   * 'cookie': the browser's session cookie (default where there is a document). 'token': a bearer token that the client
   * keeps in its storage (default elsewhere); several clients of different users can then live in one page.
   */
  auth?: 'cookie' | 'token'
  /** A token to start with, in place of a login; implies auth 'token'. */
  token?: string
  /** Names this device in the list of devices; default: made once and kept in the storage. */
  device?: DeviceId
  fetch?: typeof globalThis.fetch
  WebSocket?: WebSocketConstructor
  clock?: Clock
  /** In [0, 1). */
  random?: () => number
  /** The Web Locks of the page; null: this client is always the leader. */
  locks?: LockManager | null
  /** false: never the tab that owns the socket. Default true. */
  leader?: boolean
  /** Messages kept in the cache at most, over all conversations; default 100,000. */
  cacheLimit?: number
}

export interface Clock {
  now(): number
  setTimeout(run: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

export type { WebSocketConstructor, WebSocketLike }

export interface MurreClient {
  /** Resolves when the cache is open and `session.state` says who is signed in, without waiting for the network. */
  readonly ready: Promise<void>
  readonly session: SessionApi
  readonly connection: ConnectionApi
  readonly conversations: ConversationsApi
  readonly messages: MessagesApi
  readonly media: MediaApi
  readonly users: UsersApi
  readonly presence: PresenceApi
  /** Every frame and every step of a message, as it happens; for bots and the demo's delivery trace. */
  onEvent(listener: (event: ClientEvent) => void): Unsubscribe
  readonly stats: Live<Stats>
  /** Ends the connection and closes the storage. What waits in the outbox stays there for the next start. */
  close(): Promise<void>
}

// ── Errors ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export type ErrorCode =
  | 'INVALID_JSON' | 'VALIDATION_ERROR' | 'UNAUTHENTICATED' | 'FORBIDDEN' | 'NOT_FOUND' | 'CONFLICT' | 'RATE_LIMITED'
  | 'TOO_LARGE' | 'UNAVAILABLE' | 'INTERNAL'
  /** Of the client's own making. */
  | 'OFFLINE' | 'CANCELLED' | 'STORAGE_FULL'

/** What methods reject with: an Error (class ClientError, exported beside createClient) with these fields. */
export interface ClientFailure extends Error {
  code: ErrorCode
  /** The input at fault, such as `username`. */
  field?: string
  /** All inputs at fault, by name. */
  fields?: Record<string, string>
  retryAfterMs?: number
  /** Whether trying again may help. */
  retryable: boolean
}

// ── Session ────────────────────────────────────────────────────────────────────────────────────────────────────────

export type SessionState = 'starting' | 'signed-out' | 'signing-in' | 'signed-in' | 'expired'

export interface SessionSnapshot {
  /** 'starting' only until `ready`. 'expired': signed out by the server; the cache is still there, outbox included. */
  state: SessionState
  user: User | null
  deviceId: DeviceId | null
}

export interface SessionApi extends Live<SessionSnapshot> {
  register(username: string, password: string, displayName?: string): Promise<User>
  /** Another user's cache and outbox are removed first. */
  login(username: string, password: string): Promise<User>
  /** everywhere: all sessions of the user. The cache and the outbox are removed; without a network only those. */
  logout(options?: { everywhere?: boolean }): Promise<void>
  me(): Promise<User>
  /** avatar: an image, or null to remove it. */
  updateMe(change: { displayName?: string; avatar?: Blob | null }): Promise<User>
  /** Ends every other session. */
  changePassword(current: string, next: string): Promise<void>
  sessions(): Promise<Session[]>
  revokeSession(id: string): Promise<void>
  /** Signs out everywhere but here. */
  revokeOtherSessions(): Promise<void>
  devices(): Promise<Device[]>
  deleteDevice(id: DeviceId): Promise<void>
}

export interface User {
  id: UserId
  username: string
  displayName: string
  /** A path of the server; see MediaApi.source for clients with a token. */
  avatarUrl?: string
  lastSeen?: string
}

export interface Session {
  id: string
  createdAt: string
  seenAt: string
  expiresAt: string
  userAgent: string
  address: string
  current: boolean
}

export interface Device {
  id: DeviceId
  name: string
  kind?: string
  createdAt: string
  seenAt: string
  current: boolean
}

// ── Connection ─────────────────────────────────────────────────────────────────────────────────────────────────────

export type ConnectionState =
  /** No connection: signed out, no network, goOffline(), or waiting for the next try (nextRetryAtMs). */
  | { state: 'offline'; manual: boolean; nextRetryAtMs?: number; attempts: number }
  | { state: 'connecting'; attempts: number }
  /** Connected, what was missed is coming in. */
  | { state: 'catching-up' }
  | { state: 'live'; sinceMs: number }
  /** The server is restarting and said when to come back. */
  | { state: 'draining'; afterMs: number; nextRetryAtMs: number }
  /** The same device connected elsewhere; takes the connection back only on reconnect(). */
  | { state: 'replaced' }
  | { state: 'refused'; reason: 'signed-out' | 'expired' | 'too-many-devices' | 'forbidden' | 'protocol'; message: string }

export interface ConnectionApi extends Live<ConnectionState> {
  /** Everything before this time is in the cache; null before the first catch-up. */
  syncedUpTo(): string | null
  /** The server's clock minus ours, in ms. */
  clockSkewMs(): number
  /** Whether this tab owns the socket. */
  isLeader(): boolean
  /** Tries at once instead of waiting; takes over after 'replaced'. */
  reconnect(): void
  /** Stays away until goOnline(), as if the network were gone (REST too). For the demo and tests. */
  goOffline(): void
  goOnline(): void
  /** Ends the socket without a word, as a broken network would; the client comes back by itself. */
  killConnection(): void
}

// ── Conversations ──────────────────────────────────────────────────────────────────────────────────────────────────

export type ConversationType = 'direct' | 'group' | 'channel'
export type Role = 'admin' | 'member'

export interface Participant {
  userId: UserId
  username: string
  displayName: string
  avatarUrl?: string
  role: Role
  joinedAt?: string
}

export interface ConversationView {
  id: ConversationId
  type: ConversationType
  /** What to call it: its name, or the other's display name. */
  title: string
  name: string
  avatarUrl?: string
  participants: readonly Participant[]
  /** Counts the members of channels too, whose participants are the caller alone. */
  participantCount: number
  myRole: Role
  /** Direct only: the other member. */
  peer?: Participant
  /** The newest message, those in the outbox included. */
  lastMessage?: MessageView
  unreadCount: number
  /** Up to and including which message this user has read. */
  readUpTo?: MessageId
  muted: boolean
  archived: boolean
  /** Who is typing now, others only. */
  typing: readonly { userId: UserId; displayName: string }[]
  /** Direct only: the other's presence, when known. */
  presence?: PresenceView
  updatedAt: string
  createdAt: string
  /** The caller is no longer a member: history stays, nothing can be sent. */
  left: boolean
  /** What stands in the composer, unsent. */
  draft: string
}

export interface ConversationsApi extends Live<readonly ConversationView[]> {
  /** Newest first, archived ones included; false until they have been read from the cache. */
  loaded(): boolean
  one(id: ConversationId): Live<ConversationView | undefined>
  /** Reads the list from the server again; runs by itself after each connect and gap. */
  refresh(): Promise<void>
  createDirect(userId: UserId): Promise<ConversationView>
  createGroup(name: string, userIds: UserId[]): Promise<ConversationView>
  createChannel(name: string, userIds: UserId[]): Promise<ConversationView>
  rename(id: ConversationId, name: string): Promise<void>
  setAvatar(id: ConversationId, avatar: Blob | null): Promise<void>
  addMembers(id: ConversationId, userIds: UserId[]): Promise<void>
  removeMember(id: ConversationId, userId: UserId): Promise<void>
  setRole(id: ConversationId, userId: UserId, role: Role): Promise<void>
  /** Pages through the members; channels show theirs here only. */
  members(id: ConversationId, cursor?: string): Promise<{ members: Participant[]; cursor?: string }>
  leave(id: ConversationId): Promise<void>
  setMuted(id: ConversationId, muted: boolean): Promise<void>
  setArchived(id: ConversationId, archived: boolean): Promise<void>
  setDraft(id: ConversationId, draft: string): void
  /** To be called while the user types: sends at most every 2 s. false: stopped. */
  typing(id: ConversationId, isTyping?: boolean): void
  /** Reads forward only; an id that is older than what was read does nothing. */
  markRead(id: ConversationId, upTo: MessageId): void
}

// ── Messages ───────────────────────────────────────────────────────────────────────────────────────────────────────

export type ContentType = 'text' | 'image' | 'video' | 'file'

/**
 * pending: in the outbox, not yet on the wire (media may be uploading). sending: on the wire, or between two tries. failed:
 * given up, retry() or discard(). Messages of others are 'received'.
 */
export type MessageState = 'pending' | 'sending' | 'sent' | 'delivered' | 'read' | 'failed' | 'received'

export interface Media {
  id: MediaId
  contentType: string
  size: number
  name: string
  width?: number
  height?: number
  thumbUrl?: string
  url: string
}

export interface Upload {
  state: 'waiting' | 'uploading' | 'paused' | 'done' | 'failed'
  sentBytes: number
  totalBytes: number
  /** For a preview before the server has it; null once it was dropped, and after a reload until it was read. */
  blob: Blob | null
}

export interface MessageView {
  /** The same from the optimistic bubble to the stored message: a key for React. */
  key: string
  /** Absent until the server has stored it. */
  id?: MessageId
  clientMessageId?: ClientMessageId
  conversationId: ConversationId
  senderId: UserId
  mine: boolean
  content: string
  contentType: ContentType
  /** Of a message in the outbox: what is known of the file, with url ''. */
  media?: Media
  upload?: Upload
  replyToId?: MessageId
  /** The message it answers, when it is in the cache; loaded in the background when not. */
  replyTo?: { id: MessageId; senderId: UserId; content: string; contentType: ContentType; deleted: boolean; media?: Media }
  reactions: readonly { userId: UserId; emoji: string }[]
  /** The server's time; of a message in the outbox ours, put right by the clock skew. */
  createdAt: string
  editedAt?: string
  deleted: boolean
  state: MessageState
  /** Why it failed. */
  error?: { code: ErrorCode; message: string }
}

export interface WindowSnapshot {
  /** Ascending; what waits in the outbox last, when the window reaches the newest message. */
  items: readonly MessageView[]
  /** false until the cache was read. */
  loaded: boolean
  hasOlder: boolean
  hasNewer: boolean
  loadingOlder: boolean
  loadingNewer: boolean
  /** The first unread message is still looked for: what is on show meanwhile isn't where reading begins. */
  findingUnread: boolean
  /** The first message that was unread when the window was opened, for the divider. */
  firstUnreadId?: MessageId
  /** Why the last load failed; the cache is shown nonetheless. */
  error?: ClientFailure
}

/** A stretch of one conversation that follows changes. It grows as older and newer pages are loaded. */
export interface MessageWindow extends Live<WindowSnapshot> {
  readonly conversationId: ConversationId
  loadOlder(): Promise<void>
  loadNewer(): Promise<void>
  /** Shows the messages around one; false: it doesn't exist (any more). */
  jumpTo(id: MessageId): Promise<boolean>
  jumpToNewest(): Promise<void>
  close(): void
}

export interface MemberReceipt {
  userId: UserId
  displayName: string
  status: 'sent' | 'delivered' | 'read'
}

export interface OutgoingMessage {
  content: string
  contentType?: ContentType
  media?: Blob & { name?: string }
  /** Names the message, so that sending it again does nothing; a UUID, default a new one. For bots that may start anew. */
  clientMessageId?: ClientMessageId
  /** In place of media: one that was uploaded before. */
  mediaId?: MediaId
  replyTo?: MessageId
}

export interface SearchHit {
  message: MessageView
  conversation: ConversationView
}

export interface MessagesApi {
  /** around: opens at this message instead of the newest. Close it when it isn't shown any more. */
  open(conversation: ConversationId, options?: { around?: MessageId; pageSize?: number }): MessageWindow
  /** Shows at once, sends when it can; resolves when it is safe in the outbox. */
  send(conversation: ConversationId, message: OutgoingMessage): Promise<ClientMessageId>
  /** Resolves when the server has stored it, rejects when it failed or was discarded. */
  sent(clientMessageId: ClientMessageId): Promise<MessageView>
  retry(clientMessageId: ClientMessageId): Promise<void>
  /** Takes an unsent message out of the outbox; one that may be on the server already stays there. */
  discard(clientMessageId: ClientMessageId): Promise<void>
  edit(conversation: ConversationId, id: MessageId, content: string): Promise<void>
  remove(conversation: ConversationId, id: MessageId): Promise<void>
  /** '' removes the own reaction. */
  react(conversation: ConversationId, id: MessageId, emoji: string): Promise<void>
  receipts(conversation: ConversationId, id: MessageId): Promise<MemberReceipt[]>
  /** Messages in the cache with all words of the query, or parts of words, newest first; 50 at most unless limit says so. signal ends it. */
  searchCached(query: string, options?: { conversation?: ConversationId; limit?: number; signal?: AbortSignal }): Promise<SearchHit[]>
  /** The nearest message with a picture before or behind another one, of those in the cache. */
  pictureBeside(conversation: ConversationId, id: MessageId, side: 'older' | 'newer'): Promise<MessageView | undefined>
  /** Messages waiting in the outbox, failed ones included. */
  readonly outbox: Live<readonly MessageView[]>
  /** Live messages of others that were stored just now, each once: for notifications and bots. */
  onMessage(listener: (message: MessageView, conversation: ConversationView | undefined) => void): Unsubscribe
}

export interface MediaApi {
  /** Where the server has it; works as an image's source for clients with a cookie. */
  url(id: MediaId, kind?: 'full' | 'thumb'): string
  /** A source that works for clients with a token too; call release when it isn't shown any more. */
  source(media: MediaId | { path: string }, kind?: 'full' | 'thumb'): Promise<{ url: string; release(): void }>
  /** Stops the upload of a message in the outbox; it stays as failed until retry() or discard(). */
  cancel(clientMessageId: ClientMessageId): void
  /** Goes on where it was stopped. */
  resume(clientMessageId: ClientMessageId): void
}

// ── People ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface UsersApi {
  search(query: string): Promise<User[]>
  /** From the cache, else from the server. */
  get(id: UserId): Promise<User>
  /** Whom the caller blocks, as last read. */
  readonly blocked: Live<readonly User[]>
  refreshBlocked(): Promise<void>
  block(id: UserId): Promise<void>
  unblock(id: UserId): Promise<void>
}

export interface PresenceView {
  status: 'online' | 'offline'
  lastSeen?: string
}

export interface PresenceApi {
  /** Keeps the server's interest alive while it is subscribed; undefined: not known. */
  of(userId: UserId): Live<PresenceView | undefined>
}

// ── Events and figures ─────────────────────────────────────────────────────────────────────────────────────────────

export type ClientEvent = {
  /** The client's own clock, in ms since 1970, and the same put right to the server's clock. */
  atMs: number
  serverAtMs: number
} & (
  /** A frame as it went over the wire. */
  | { kind: 'frame'; direction: 'in' | 'out'; type: string; payload: unknown; bytes: number }
  /** queued: in the outbox. written: on the wire. stored: acked by the server. received: of another, stored here. acked: said so. */
  | {
      kind: 'message'
      step: 'queued' | 'written' | 'stored' | 'received' | 'acked' | 'delivered' | 'read' | 'failed'
      conversationId: ConversationId
      messageId?: MessageId
      clientMessageId?: ClientMessageId
      /** Of delivered and read: whose. */
      userId?: UserId
    }
  | { kind: 'connection'; state: ConnectionState }
)

export interface Stats {
  sent: number
  received: number
  /** Found missing behind a point that the server had called synced. */
  lost: number
  /** Shown twice. */
  doubled: number
  /** Shown out of order. */
  reordered: number
  /** Came again and were dropped: what at-least-once delivery costs, not a fault. */
  duplicatesDropped: number
  reconnects: number
  catchUps: number
}
