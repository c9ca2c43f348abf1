import { dedupKey, type ConversationRecord, type MessageRecord, type Status } from '../db'
import { laterId, type LoggedEvent, type Message, type Rest as Wire } from '../protocol'

const order: Record<Status, number> = { sent: 0, delivered: 1, read: 2 }

/** Of two statuses the one that is further: a status never goes back. */
export function further(a: Status | undefined, b: Status | undefined): Status | undefined {
  if (a === undefined) return b
  return b !== undefined && order[b] > order[a] ? b : a
}

/**
 * What the cache holds of a message after one more copy of it came. fetchedAt, of copies out of history, is when the page
 * was asked for: an event that came since knows better.
 */
export function mergeMessage(before: MessageRecord | undefined, wire: Message | Wire.Message, fetchedAt: number | undefined): MessageRecord {
  const record: MessageRecord = {
    conversationId: wire.conversationId, id: wire.id, senderId: wire.senderId, content: wire.content, contentType: wire.contentType,
    reactions: wire.reactions ?? before?.reactions ?? [], createdAt: wire.createdAt, deleted: wire.deleted ?? false, touched: before?.touched ?? 0,
  }
  const clientMessageId = wire.clientMessageId ?? before?.clientMessageId
  const dedup = dedupKey(wire.senderId, clientMessageId)
  const status = further(before?.status, wire.status)
  if (clientMessageId !== undefined) record.clientMessageId = clientMessageId
  if (dedup !== undefined) record.dedup = dedup
  if (wire.media) record.media = wire.media
  if (wire.replyToId !== undefined) record.replyToId = wire.replyToId
  if (wire.editedAt !== undefined) record.editedAt = wire.editedAt
  if (status !== undefined) record.status = status
  if (!before) return record
  if (before.deliveredBy) record.deliveredBy = before.deliveredBy
  if (before.reactionEvents) record.reactionEvents = before.reactionEvents
  if (before.heard) record.heard = true
  if (fetchedAt !== undefined) record.reactions = before.touched >= fetchedAt ? before.reactions : wire.reactions ?? []
  // A copy out of the log may have been made before reactions that came by themselves since.
  else if (before.heard) record.reactions = before.reactions
  if (before.editedAt !== undefined && before.editedAt > (record.editedAt ?? '')) {
    record.content = before.content
    record.editedAt = before.editedAt
  }
  return before.deleted && !record.deleted ? erase(record, record.touched) : record
}

/** What an event of the log makes of a message; undefined: nothing, for something newer is known. now: in ms of our clock. */
export function withEvent(before: MessageRecord, event: Exclude<LoggedEvent, { type: 'conversation' }>, now: number): MessageRecord | undefined {
  if (before.deleted) return undefined
  switch (event.type) {
    case 'message_deleted':
      return erase(before, now)
    case 'message_edited':
      if (event.payload.editedAt <= (before.editedAt ?? '')) return undefined
      return { ...before, content: event.payload.content, editedAt: event.payload.editedAt, touched: now }
    case 'reaction': {
      const { userId, emoji } = event.payload
      if (event.eventId <= (before.reactionEvents?.[userId] ?? '')) return undefined
      const reactions = before.reactions.filter((r) => r.userId !== userId)
      if (emoji !== '') reactions.push({ userId, emoji })
      return { ...before, reactions, reactionEvents: { ...before.reactionEvents, [userId]: event.eventId }, touched: now }
    }
  }
}

/** A deleted message keeps its place, and nothing else. */
export function erase(record: MessageRecord, touched: number): MessageRecord {
  const { media: _media, ...rest } = record
  return { ...rest, content: '', reactions: [], deleted: true, touched }
}

/** How many messages of a conversation are unread, and whether the server lacks what was read here. */
export interface Unread {
  count: number
  readLost: boolean
}

/** A conversation as the server shows it, with what only this device knows. */
export function mergeConversation(before: ConversationRecord | undefined, wire: Wire.Conversation, fetchedAt: number, unread: Unread): ConversationRecord {
  const last = wire.lastMessage ? mergeMessage(before?.last?.id === wire.lastMessage.id ? before.last : undefined, wire.lastMessage, fetchedAt) : undefined
  // What came since by the log is newer than this answer.
  const ahead = before?.last !== undefined && (last === undefined || before.last.id > last.id)
  const record: ConversationRecord = {
    id: wire.id, type: wire.type, name: wire.name, participants: wire.participants, participantCount: wire.participantCount,
    unreadCount: unread.count,
    muted: wire.muted, archived: wire.archived, createdAt: wire.createdAt,
    updatedAt: before && before.updatedAt > wire.updatedAt ? before.updatedAt : wire.updatedAt,
    ranges: before?.ranges ?? [], receipts: before?.receipts ?? {}, left: false, draft: before?.draft ?? '',
  }
  if (wire.avatarUrl !== undefined) record.avatarUrl = wire.avatarUrl
  const newest = ahead ? before.last : last
  if (newest) record.last = newest
  if (before?.readUpTo !== undefined) record.readUpTo = before.readUpTo
  if (before?.readSent !== undefined && !unread.readLost) record.readSent = before.readSent
  const countedTo = laterId(before?.countedTo, wire.lastMessage?.id)
  if (countedTo !== undefined) record.countedTo = countedTo
  return record
}

/** A conversation that only a message has told us of, until the server is asked. Hidden: nobody takes part. */
export function unknownConversation(id: string, at: string): ConversationRecord {
  return {
    id, type: 'group', name: '', participants: [], participantCount: 0, unreadCount: 0, muted: false, archived: false,
    updatedAt: at, createdAt: at, ranges: [], receipts: {}, left: false, draft: '',
  }
}

/** Watermarks only move forward. */
export function advanceReceipts(record: ConversationRecord, receipts: readonly Wire.Receipt[]): ConversationRecord {
  const next = { ...record.receipts }
  let changed = false
  for (const r of receipts) {
    const before = next[r.userId] ?? {}
    const readTo = laterId(before.readTo, r.readTo)
    const deliveredTo = laterId(laterId(before.deliveredTo, r.deliveredTo), readTo)
    if (readTo === before.readTo && deliveredTo === before.deliveredTo) continue
    changed = true
    next[r.userId] = { ...(deliveredTo === undefined ? {} : { deliveredTo }), ...(readTo === undefined ? {} : { readTo }) }
  }
  return changed ? { ...record, receipts: next } : record
}

/**
 * How far an own message has come: the lowest over the members who were there when it was sent. Watermarks, and what members
 * said of this very message.
 */
export function statusOf(message: MessageRecord, conversation: ConversationRecord): Status {
  const known = message.status ?? 'sent'
  if (known === 'read') return known
  let lowest: Status | undefined
  for (const p of conversation.participants) {
    if (p.userId === message.senderId || (p.joinedAt !== undefined && p.joinedAt > message.createdAt)) continue
    const marks = conversation.receipts[p.userId]
    const status: Status = marks?.readTo !== undefined && marks.readTo >= message.id ? 'read'
      : (marks?.deliveredTo !== undefined && marks.deliveredTo >= message.id) || message.deliveredBy?.includes(p.userId) ? 'delivered' : 'sent'
    if (lowest === undefined || order[status] < order[lowest]) lowest = status
  }
  return further(known, lowest) ?? known
}
