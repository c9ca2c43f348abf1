import { addFromLog, addRange, type ConversationRecord, type MessageRecord, type Range, type Tx } from '../db'
import { idAt, laterId, type LoggedEvent, type Message, type MessageStatusPayload, type Rest as Wire } from '../protocol'
import type { ChangeSet } from './changes'
import { me, serverNow, type Core } from './core'
import { advanceReceipts, erase, mergeMessage, unknownConversation } from './merge'

/** In ms; a resend is long over by then. */
const twinsWithin = 3_600_000

/** What came of applying some events, for those who act on it once it is stored. */
export interface Applied {
  /** Of others, new here. */
  incoming: MessageRecord[]
  /** Own messages that the server has stored. */
  settled: MessageRecord[]
  statuses: MessageStatusPayload[]
  /** Conversations of which the server must be asked. */
  refetch: Set<string>
  duplicates: number
}

export function nothingApplied(): Applied {
  return { incoming: [], settled: [], statuses: [], refetch: new Set(), duplicates: 0 }
}

/** Applies events and pages of history to the cache, within a transaction. Doing it twice changes nothing. */
export class Applier {
  private readonly core: Core

  constructor(core: Core) {
    this.core = core
  }

  async message(tx: Tx, change: ChangeSet, wire: Message, out: Applied): Promise<void> {
    const self = me(this.core)
    const stored = await this.store(tx, change, wire, undefined)
    const own = wire.senderId === self
    if (own && wire.clientMessageId !== undefined && await tx.outbox.get(wire.clientMessageId)) {
      await tx.outbox.delete(wire.clientMessageId)
      await tx.blobs.delete(wire.clientMessageId)
      change.outbox = true
    }
    if (own && stored.record) out.settled.push(stored.record)
    if (!stored.record || (stored.known && stored.record.heard)) {
      if (!own || stored.known) out.duplicates++
      return
    }
    const record: MessageRecord = { ...stored.record, heard: true }
    await tx.messages.put([record])
    let conversation = await this.conversation(tx, change, wire, out)
    conversation = { ...conversation, ranges: addFromLog(conversation.ranges, wire.id, this.core.logFrom) }
    if (conversation.last === undefined || wire.id >= conversation.last.id) conversation = { ...conversation, last: record }
    if (wire.createdAt > conversation.updatedAt) conversation = { ...conversation, updatedAt: wire.createdAt }
    if (!own) {
      out.incoming.push(record)
      if (!stored.known && wire.id > (conversation.readUpTo ?? '')) conversation = { ...conversation, unreadCount: Math.min(100, conversation.unreadCount + 1) }
    }
    await tx.conversations.put(conversation)
  }

  async logged(tx: Tx, change: ChangeSet, event: LoggedEvent, out: Applied): Promise<void> {
    const now = this.core.clock.now()
    if (event.type === 'conversation') return this.membership(tx, change, event.payload, out)
    const { conversationId, messageId } = event.payload
    const before = await tx.messages.get(conversationId, messageId)
    if (!before || before.deleted) return
    let after = before
    switch (event.type) {
      case 'message_deleted':
        after = erase(before, now)
        break
      case 'message_edited':
        if (event.payload.editedAt <= (before.editedAt ?? '')) return
        after = { ...before, content: event.payload.content, editedAt: event.payload.editedAt, touched: now }
        break
      case 'reaction': {
        const { userId, emoji } = event.payload
        if (event.eventId <= (before.reactionEvents?.[userId] ?? '')) return
        const reactions = before.reactions.filter((r) => r.userId !== userId)
        if (emoji !== '') reactions.push({ userId, emoji })
        after = { ...before, reactions, reactionEvents: { ...before.reactionEvents, [userId]: event.eventId }, touched: now }
      }
    }
    await this.replace(tx, change, after)
  }

  async status(tx: Tx, change: ChangeSet, status: MessageStatusPayload, out: Applied): Promise<void> {
    const conversation = await tx.conversations.get(status.conversationId)
    if (!conversation) return
    out.statuses.push(status)
    if (status.status === 'read') {
      const to = (status.messageIds ?? []).reduce<string>((a, b) => (b > a ? b : a), status.messageId)
      if (status.userId === me(this.core)) {
        await this.readElsewhere(tx, change, conversation, to)
        return
      }
      await tx.conversations.put(advanceReceipts(conversation, [{ userId: status.userId, readTo: to }]))
      change.conversation(conversation.id)
      return
    }
    // Exact ids: what lies between them may not have arrived.
    for (const id of new Set([status.messageId, ...(status.messageIds ?? [])])) {
      const message = await tx.messages.get(conversation.id, id)
      if (!message || message.senderId !== me(this.core) || message.deliveredBy?.includes(status.userId)) continue
      await this.replace(tx, change, { ...message, deliveredBy: [...(message.deliveredBy ?? []), status.userId] })
    }
  }

  /** A page of history: the messages, and which stretch of ids they are all of. */
  async page(tx: Tx, change: ChangeSet, conversationId: string, messages: readonly Wire.Message[], range: Range | undefined, fetchedAt: number): Promise<MessageRecord[]> {
    const fresh = await this.storePage(tx, change, conversationId, messages, fetchedAt)
    const conversation = await tx.conversations.get(conversationId)
    if (conversation && range) {
      // Behind a page that was asked for before the log began anew, the log may leave out what came between the two.
      const { tail, ...stretch } = range
      const ranges = addRange(conversation.ranges, tail && fetchedAt > this.core.logSince ? range : stretch)
      await tx.conversations.put({ ...conversation, ranges })
      change.conversation(conversationId)
    }
    return fresh
  }

  /** In few requests, whatever the page's length: somebody may be scrolling. */
  private async storePage(tx: Tx, change: ChangeSet, conversationId: string, messages: readonly Wire.Message[], fetchedAt: number): Promise<MessageRecord[]> {
    const first = messages[0]
    const last = messages.at(-1)
    if (!first || !last) return []
    const known = new Map((await tx.messages.stretch(conversationId, { from: first.id, to: last.id })).map((m) => [m.id, m]))
    // Two rows of one send exist for a moment at most, after it was sent again; further back nobody has to look.
    const recent = new Date(serverNow(this.core) - twinsWithin).toISOString()
    const records: MessageRecord[] = []
    const fresh: MessageRecord[] = []
    for (const wire of messages) {
      const before = known.get(wire.id)
      const record = mergeMessage(before, wire, fetchedAt)
      if (!before && record.createdAt > recent && await this.isTwin(tx, change, record)) continue
      records.push(record)
      change.message(conversationId, record.id)
      if (!before) fresh.push(record)
    }
    await tx.messages.put(records)
    return fresh
  }

  /** A changed record, in the cache and where the conversation shows it. */
  async replace(tx: Tx, change: ChangeSet, record: MessageRecord): Promise<void> {
    await tx.messages.put([record])
    change.message(record.conversationId, record.id)
    const conversation = await tx.conversations.get(record.conversationId)
    if (conversation?.last?.id !== record.id) return
    await tx.conversations.put({ ...conversation, last: record })
    change.conversation(record.conversationId)
  }

  /** The server's log is no longer whole: what is cached may have holes nobody knows of. The outbox is not touched. */
  async gap(tx: Tx, change: ChangeSet, cursor: string): Promise<void> {
    await this.logBegins(tx, cursor)
    await tx.messages.clear()
    for (const c of await tx.conversations.all()) {
      await tx.conversations.put({ ...c, ranges: [], receipts: {} })
      change.conversation(c.id)
      change.history(c.id)
    }
  }

  /** From here on the log tells of everything; of what lies before, only history does. */
  async logBegins(tx: Tx, cursor: string): Promise<void> {
    this.core.logSince = this.core.clock.now()
    // Behind the cursor it may still lack what this user sent while there was no device to hear of it: whole from now on only.
    const from = laterId(cursor, idAt(this.core.logSince + this.core.skew)) ?? cursor
    this.core.logFrom = from
    await tx.setMeta('logFrom', from)
  }

  /** Unread messages behind a point, as far as the cache knows. */
  async unreadAfter(tx: Tx, conversation: ConversationRecord, upTo: string): Promise<number> {
    const newer = await tx.messages.stretch(conversation.id, { from: upTo, limit: 200, newest: true })
    const self = me(this.core)
    return Math.min(100, newer.filter((m) => m.id > upTo && m.senderId !== self).length)
  }

  private async readElsewhere(tx: Tx, change: ChangeSet, conversation: ConversationRecord, to: string): Promise<void> {
    if (to <= (conversation.readUpTo ?? '')) return
    const readSent = laterId(conversation.readSent, to) ?? to
    await tx.conversations.put({ ...conversation, readUpTo: to, readSent, unreadCount: await this.unreadAfter(tx, conversation, to) })
    change.conversation(conversation.id)
  }

  /** Stores one copy of a message. No record: it is another's, under a smaller id. */
  private async store(tx: Tx, change: ChangeSet, wire: Message | Wire.Message, fetchedAt: number | undefined): Promise<{ record?: MessageRecord; known: boolean }> {
    const before = await tx.messages.get(wire.conversationId, wire.id)
    const record = mergeMessage(before, wire, fetchedAt)
    if (!before && await this.isTwin(tx, change, record)) return { known: true }
    await tx.messages.put([record])
    change.message(record.conversationId, record.id)
    return { record, known: before !== undefined }
  }

  /** Whether a message is in the cache under a smaller id; one under a larger id is replaced. */
  private async isTwin(tx: Tx, change: ChangeSet, record: MessageRecord): Promise<boolean> {
    if (record.dedup === undefined) return false
    const twin = await tx.messages.byDedup(record.dedup)
    if (!twin || twin.id === record.id) return false
    if (twin.id < record.id) return true
    await tx.messages.delete(twin.conversationId, twin.id)
    change.message(twin.conversationId, twin.id)
    return false
  }

  private async conversation(tx: Tx, change: ChangeSet, wire: Message, out: Applied): Promise<ConversationRecord> {
    change.conversation(wire.conversationId)
    const known = await tx.conversations.get(wire.conversationId)
    if (!known || known.left || known.participants.length === 0) out.refetch.add(wire.conversationId)
    return known ?? unknownConversation(wire.conversationId, wire.createdAt)
  }

  private async membership(tx: Tx, change: ChangeSet, payload: (LoggedEvent & { type: 'conversation' })['payload'], out: Applied): Promise<void> {
    const gone = (payload.change === 'left' || payload.change === 'member_removed') && payload.userId === me(this.core)
    if (!gone) {
      out.refetch.add(payload.conversationId)
      return
    }
    const known = await tx.conversations.get(payload.conversationId)
    if (!known) return
    await tx.conversations.put({ ...known, left: true, unreadCount: 0 })
    change.conversation(known.id)
  }
}
