import type { Media, Rest as Wire } from '../protocol'
import type { Range } from './ranges'

/** What the cache holds. Records are values: nobody changes one in place, a changed one is put anew. */

export interface Watermarks {
  deliveredTo?: string
  readTo?: string
}

export interface ConversationRecord {
  id: string
  type: 'direct' | 'group' | 'channel'
  name: string
  avatarUrl?: string
  participants: Wire.Participant[]
  participantCount: number
  unreadCount: number
  /** Up to here the server has counted, in the answer that unreadCount was taken from; the log counts on behind it. */
  countedTo?: string
  muted: boolean
  archived: boolean
  updatedAt: string
  createdAt: string
  /** The newest message that is known, whether or not it is in the cache. */
  last?: MessageRecord
  /** Which stretches of the history the cache holds without a hole, ascending. */
  ranges: Range[]
  /** How far the other members are; only forward. */
  receipts: Record<string, Watermarks>
  /** How far this user has read, and how far the server was told. */
  readUpTo?: string
  readSent?: string
  left: boolean
  draft: string
}

export type Status = 'sent' | 'delivered' | 'read'

export interface MessageRecord {
  conversationId: string
  id: string
  senderId: string
  clientMessageId?: string
  /** Sender and clientMessageId in one: two messages with the same are one. */
  dedup?: string
  content: string
  contentType: 'text' | 'image' | 'video' | 'file'
  media?: Media
  replyToId?: string
  reactions: { userId: string; emoji: string }[]
  /** The newest reaction event of each member: an older one that comes again must not undo it. */
  reactionEvents?: Record<string, string>
  createdAt: string
  editedAt?: string
  deleted: boolean
  /** Of own messages: the lowest over the members, as far as was heard. */
  status?: Status
  /** Of own messages: members whose device has it, though their watermark may be behind. */
  deliveredBy?: string[]
  /** When an event last changed it, in ms of our clock: a page of history that was asked for earlier must not undo that. */
  touched: number
  /** The log brought it, or a repair: whoever listens for new messages was told. */
  heard?: boolean
}

export interface OutboxRecord {
  clientMessageId: string
  conversationId: string
  /** The order of sending. */
  seq: number
  content: string
  contentType: MessageRecord['contentType']
  replyToId?: string
  mediaId?: string
  /** What is known of the file; its bytes stand apart, under the same key. */
  file?: { name: string; size: number; contentType: string }
  /** An upload under way. */
  upload?: { id: string; target: Wire.Upload; offset: number }
  media?: Media
  paused: boolean
  createdAtMs: number
  state: 'pending' | 'sending' | 'failed'
  /** Tries that the server answered with an error, or not at all. */
  attempts: number
  /** It may have reached the server: the next try says so. */
  written: boolean
  error?: { code: string; message: string }
}

export type UserRecord = Wire.User

export function dedupKey(senderId: string, clientMessageId: string | undefined): string | undefined {
  return clientMessageId === undefined ? undefined : `${senderId}:${clientMessageId}`
}
