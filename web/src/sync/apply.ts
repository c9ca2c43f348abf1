import { addFromLog, addRange, dedupKey, tailOf, type ConversationRecord, type MessageRecord, type Range, type Tx } from '../db'
import { idAt, laterId, type LoggedEvent, type Message, type MessageStatusPayload, type Rest as Wire } from '../protocol'
import type { ChangeSet } from './changes'
import { me, serverNow, type Core } from './core'
import { Early } from './early'
import { advanceReceipts, mergeMessage, unknownConversation, withEvent, type Unread } from './merge'

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
  readonly early = new Early()

  constructor(core: Core) {
    this.core = core
  }

  async message(tx: Tx, change: ChangeSet, wire: Message, out: Applied): Promise<void> {
    const own = wire.senderId === me(this.core)
    const { record, before, twin } = await this.store(tx, change, wire)
    if (own && wire.clientMessageId !== undefined && await tx.outbox.get(wire.clientMessageId)) {
      await tx.outbox.delete(wire.clientMessageId)
      await tx.blobs.delete(wire.clientMessageId)
      change.outbox = true
    }
    const kept = record ?? twin
    if (own && kept) out.settled.push(kept)
    const heard = !record || before?.heard === true
    if (heard && (!own || before)) out.duplicates++
    if (!record) return
    // Known already; but this copy may have been edited since, and stand in the list.
    if (heard && before?.id === record.id) return this.replace(tx, change, record)
    const now: MessageRecord = { ...record, heard: true }
    await tx.messages.put([now])
    let conversation = await this.conversation(tx, change, wire, out)
    const { last, readUpTo = '', countedTo = '' } = conversation
    conversation = { ...conversation, ranges: addFromLog(conversation.ranges, wire.id, this.core.logFrom) }
    if (last === undefined || wire.id >= last.id || last.id === before?.id) conversation = { ...conversation, last: now }
    if (wire.createdAt > conversation.updatedAt) conversation = { ...conversation, updatedAt: wire.createdAt }
    if (!own && !heard) {
      out.incoming.push(now)
      if (!before && wire.id > readUpTo && wire.id > countedTo) conversation = { ...conversation, unreadCount: Math.min(100, conversation.unreadCount + 1) }
    }
    await tx.conversations.put(conversation)
  }

  async logged(tx: Tx, change: ChangeSet, event: LoggedEvent, out: Applied): Promise<void> {
    const now = this.core.clock.now()
    if (event.type === 'conversation') return this.membership(tx, change, event.payload, out)
    const { conversationId, messageId } = event.payload
    const cached = await tx.messages.get(conversationId, messageId)
    const conversation = cached ? undefined : await tx.conversations.get(conversationId)
    // Of a conversation that nobody opened only the last message is here, in the list.
    const before = cached ?? (conversation?.last?.id === messageId ? conversation.last : undefined)
    if (!before) return this.early.note(event, now)
    const after = withEvent(before, event, now)
    if (!after) return
    if (cached) return this.replace(tx, change, after)
    await tx.conversations.put({ ...conversation!, last: after })
    change.conversation(conversationId)
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
    let conversation = await tx.conversations.get(conversationId)
    if (!conversation) return fresh
    const before = conversation
    if (range) {
      // Behind a page that was asked for before the log began anew, the log may leave out what came between the two.
      const { tail, ...stretch } = range
      conversation = { ...conversation, ranges: addRange(conversation.ranges, tail && fetchedAt > this.core.logSince ? range : stretch) }
    }
    // A page may bring what the list didn't have yet, and the log not any more; or what has become of the list's last message.
    const known = conversation.last?.id ?? ''
    const newest = messages.findLast((m) => m.id >= known)
    if (newest) {
      const last = await tx.messages.get(conversationId, newest.id)
      if (last) conversation = { ...conversation, last, updatedAt: last.createdAt > conversation.updatedAt ? last.createdAt : conversation.updatedAt }
    }
    if (conversation !== before) {
      await tx.conversations.put(conversation)
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
      const twin = before || wire.createdAt <= recent ? undefined : await this.twinOf(tx, wire)
      if (twin && twin.id < wire.id) continue
      if (twin) await this.remove(tx, change, twin)
      const record = this.early.apply(mergeMessage(before ?? twin, wire, fetchedAt), fetchedAt)
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

  /** What an answer of the server says is unread, and what is known here that it couldn't know. */
  async unreadOf(tx: Tx, before: ConversationRecord | undefined, wire: Wire.Conversation): Promise<Unread> {
    if (!before) return { count: wire.unreadCount, readLost: false }
    const { readUpTo } = before
    const last = wire.lastMessage?.id ?? ''
    const ahead = before.last !== undefined && before.last.id > last
    const behind = ahead ? await this.unreadAfter(tx, before, laterId(last, readUpTo) ?? '') : 0
    const told = Math.min(100, wire.unreadCount + behind)
    if (readUpTo === undefined) return { count: told, readLost: false }
    const tail = tailOf(before.ranges)
    // Without a hole from there to the end the cache can count by itself.
    const whole = tail !== undefined && tail.from <= readUpTo && tail.to >= last
    if (!whole) return { count: readUpTo === before.readSent ? told : before.unreadCount, readLost: false }
    const counted = await this.unreadAfter(tx, before, readUpTo)
    return { count: Math.min(told, counted), readLost: told > counted && readUpTo === before.readSent }
  }

  private async readElsewhere(tx: Tx, change: ChangeSet, conversation: ConversationRecord, to: string): Promise<void> {
    if (to <= (conversation.readUpTo ?? '')) return
    const readSent = laterId(conversation.readSent, to) ?? to
    await tx.conversations.put({ ...conversation, readUpTo: to, readSent, unreadCount: await this.unreadAfter(tx, conversation, to) })
    change.conversation(conversation.id)
  }

  /**
   * Stores one copy of a message. before: what the cache had of it, under this id or a larger one, which is gone then. No
   * record: twin has it, under a smaller id.
   */
  private async store(tx: Tx, change: ChangeSet, wire: Message): Promise<{ record?: MessageRecord; before?: MessageRecord; twin?: MessageRecord }> {
    let before = await tx.messages.get(wire.conversationId, wire.id)
    if (!before) {
      const twin = await this.twinOf(tx, wire)
      if (twin && twin.id < wire.id) return { twin }
      if (twin) await this.remove(tx, change, twin)
      before = twin
    }
    const record = mergeMessage(before, wire, undefined)
    await tx.messages.put([record])
    change.message(record.conversationId, record.id)
    return { record, ...(before ? { before } : {}) }
  }

  /** The same message under another id. */
  private async twinOf(tx: Tx, wire: Message | Wire.Message): Promise<MessageRecord | undefined> {
    const dedup = dedupKey(wire.senderId, wire.clientMessageId)
    const found = dedup === undefined ? undefined : await tx.messages.byDedup(dedup)
    return found?.id === wire.id ? undefined : found
  }

  private async remove(tx: Tx, change: ChangeSet, record: MessageRecord): Promise<void> {
    await tx.messages.delete(record.conversationId, record.id)
    change.message(record.conversationId, record.id)
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
