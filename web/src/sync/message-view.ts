import type { ConversationRecord, MessageRecord, OutboxRecord } from '../db'
import type { Media, MessageView, Upload } from './api'
import { statusOf } from './merge'

export type ReplyPreview = NonNullable<MessageView['replyTo']>

export function previewOf(m: MessageRecord): ReplyPreview {
  return {
    id: m.id, senderId: m.senderId, content: m.content, contentType: m.contentType, deleted: m.deleted,
    ...(m.media ? { media: m.media } : {}),
  }
}

/** A stored message as the interface shows it. */
export function viewOfMessage(m: MessageRecord, conversation: ConversationRecord | undefined, self: string, reply: ReplyPreview | undefined): MessageView {
  const mine = m.senderId === self
  return {
    key: mine && m.clientMessageId !== undefined ? m.clientMessageId : m.id,
    id: m.id, conversationId: m.conversationId, senderId: m.senderId, mine, content: m.content, contentType: m.contentType,
    reactions: m.reactions, createdAt: m.createdAt, deleted: m.deleted,
    state: mine ? (conversation ? statusOf(m, conversation) : m.status ?? 'sent') : 'received',
    ...(m.clientMessageId === undefined ? {} : { clientMessageId: m.clientMessageId }),
    ...(m.media ? { media: m.media } : {}),
    ...(m.replyToId === undefined ? {} : { replyToId: m.replyToId }),
    ...(reply ? { replyTo: reply } : {}),
    ...(m.editedAt === undefined ? {} : { editedAt: m.editedAt }),
  }
}

/** A message in the outbox as the interface shows it. */
export function viewOfOutgoing(r: OutboxRecord, self: string, onWire: boolean, upload: Upload | undefined, reply: ReplyPreview | undefined): MessageView {
  const media: Media | undefined = r.media ?? (r.file ? { id: '', url: '', ...r.file } : undefined)
  return {
    key: r.clientMessageId, clientMessageId: r.clientMessageId, conversationId: r.conversationId, senderId: self, mine: true,
    content: r.content, contentType: r.contentType, reactions: [], createdAt: new Date(r.createdAtMs).toISOString(), deleted: false,
    state: r.state === 'failed' ? 'failed' : onWire || r.attempts > 0 ? 'sending' : 'pending',
    ...(media ? { media } : {}),
    ...(upload ? { upload } : {}),
    ...(r.replyToId === undefined ? {} : { replyToId: r.replyToId }),
    ...(reply ? { replyTo: reply } : {}),
    ...(r.error ? { error: r.error as NonNullable<MessageView['error']> } : {}),
  }
}
