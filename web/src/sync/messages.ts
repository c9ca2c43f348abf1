import type { MessageRecord } from '../db'
import { asClientError } from '../transport'
import type { ConversationView, MemberReceipt, MessagesApi, MessageView, MessageWindow, OutgoingMessage, SearchHit } from './api'
import type { Applier } from './apply'
import type { Conversations } from './conversations'
import { me, type Core } from './core'
import type { History } from './history'
import { Cell, Signal } from './live'
import { advanceReceipts, erase } from './merge'
import { viewOfMessage, viewOfOutgoing } from './message-view'
import type { Outbox } from './outbox'
import type { Uploads } from './uploads'
import { Search, type SearchOptions } from './search'
import { HistoryWindow } from './window'

export interface MessageParts {
  core: Core
  applier: Applier
  history: History
  outbox: Outbox
  uploads: Uploads
  conversations: Conversations
}

const defaultPage = 50

/** Messages: what is shown of them, sending, and changing them. */
export class Messages implements MessagesApi {
  private readonly p: MessageParts
  private windows = new Set<HistoryWindow>()
  readonly outbox = new Cell<readonly MessageView[]>([])
  private readonly incoming = new Signal<[MessageView, ConversationView | undefined]>()
  private order: Promise<void> = Promise.resolve()
  private readonly search: Search

  constructor(parts: MessageParts) {
    this.p = parts
    this.search = new Search(parts.core.state)
    parts.core.state.refreshed.on((change) => {
      if (change.outbox) this.showOutbox()
    })
  }

  onMessage = this.incoming.on

  open(conversation: string, options: { around?: string; pageSize?: number } = {}): MessageWindow {
    const w = new HistoryWindow(this.p, conversation, options.pageSize ?? defaultPage, options.around)
    this.windows.add(w)
    const close = w.close.bind(w)
    w.close = () => {
      this.windows.delete(w)
      close()
    }
    void this.refreshReceipts(conversation).catch(() => undefined)
    return w
  }

  /** There is a connection again: what windows lack at their end is read. */
  refill(): void {
    for (const w of this.windows) w.refill()
  }

  /** Conversations that are on show. */
  opened(): Set<string> {
    return new Set([...this.windows].map((w) => w.conversationId))
  }

  async send(conversation: string, message: OutgoingMessage): Promise<string> {
    const added = this.p.outbox.add(conversation, message)
    // add has shown it to the state by now: the bubble doesn't wait for the disk.
    this.outboxChanged(conversation)
    try {
      return await added
    } catch (error) {
      throw asClientError(error)
    } finally {
      this.outboxChanged(conversation)
    }
  }

  private outboxChanged(conversation: string): void {
    this.showOutbox()
    for (const w of this.windows) if (w.conversationId === conversation) w.outboxChanged()
    this.p.conversations.show()
  }

  async sent(clientMessageId: string): Promise<MessageView> {
    const { core, outbox } = this.p
    const find = () => core.state.storage.read((tx) => tx.messages.byDedup(`${me(core)}:${clientMessageId}`))
    const known = await find()
    if (known) return this.view(known)
    await outbox.outcome(clientMessageId)
    return this.view((await find())!)
  }

  retry = (clientMessageId: string) => this.p.outbox.retry(clientMessageId)
  discard = (clientMessageId: string) => this.p.outbox.discard(clientMessageId)

  async edit(conversation: string, id: string, content: string): Promise<void> {
    const fetchedAt = this.p.core.clock.now()
    const wire = await this.p.core.api.edit(conversation, id, content)
    await this.p.core.state.write(async (tx, change) => {
      await this.p.applier.page(tx, change, conversation, [wire], undefined, fetchedAt)
      const record = await tx.messages.get(conversation, id)
      if (record) await this.p.applier.replace(tx, change, record)
    })
  }

  async remove(conversation: string, id: string): Promise<void> {
    await this.p.core.api.remove(conversation, id)
    await this.change(conversation, id, (m) => erase(m, this.p.core.clock.now()))
  }

  async react(conversation: string, id: string, emoji: string): Promise<void> {
    const self = me(this.p.core)
    const event = async () => (await this.p.core.state.storage.read((tx) => tx.messages.get(conversation, id)))?.reactionEvents?.[self]
    const before = await event()
    await this.p.core.api.react(conversation, id, emoji)
    await this.change(conversation, id, (m) => {
      // The log was faster, with this reaction or one of another device that came after it.
      if (m.deleted || m.reactionEvents?.[self] !== before) return m
      return {
        ...m, touched: this.p.core.clock.now(),
        reactions: [...m.reactions.filter((r) => r.userId !== self), ...(emoji === '' ? [] : [{ userId: self, emoji }])],
      }
    })
  }

  async receipts(conversation: string, id: string): Promise<MemberReceipt[]> {
    const list = await this.p.core.api.messageReceipts(conversation, id)
    const { participants = [] } = this.p.core.state.conversations.get(conversation) ?? {}
    const self = me(this.p.core)
    return list.filter((r) => r.userId !== self).map((r) => ({
      userId: r.userId, displayName: participants.find((p) => p.userId === r.userId)?.displayName ?? '',
      status: (r.readTo ?? '') >= id ? 'read' : (r.deliveredTo ?? '') >= id ? 'delivered' : 'sent',
    }))
  }

  async searchCached(query: string, options: SearchOptions = {}): Promise<SearchHit[]> {
    const found = await this.search.find(query, options)
    return found.flatMap((m) => {
      const conversation = this.p.conversations.one(m.conversationId).get()
      return conversation ? [{ message: this.view(m), conversation }] : []
    })
  }

  async pictureBeside(conversation: string, id: string, side: 'older' | 'newer'): Promise<MessageView | undefined> {
    const found = await this.search.picture(conversation, id, side)
    return found && this.view(found)
  }

  /** The members' watermarks, for what was missed while nobody listened. */
  async refreshReceipts(conversation: string): Promise<void> {
    const known = this.p.core.state.conversations.get(conversation)
    if (!known || known.left || known.type === 'channel' || this.p.core.session.get().state !== 'signed-in') return
    const receipts = await this.p.core.api.receipts(conversation)
    const self = me(this.p.core)
    await this.p.core.state.write(async (tx, change) => {
      const c = await tx.conversations.get(conversation)
      if (!c) return
      const after = advanceReceipts(c, receipts.filter((r) => r.userId !== self))
      const own = receipts.find((r) => r.userId === self)?.readTo
      const forward = own !== undefined && own > (c.readUpTo ?? '')
      if (after === c && !forward) return
      await tx.conversations.put(forward ? { ...after, readUpTo: own, readSent: own } : after)
      change.conversation(conversation)
    })
  }

  /** Tells the listeners of new messages, in order, once the conversation is known. */
  announce(messages: readonly MessageRecord[], known: Promise<unknown>): void {
    if (messages.length === 0) return
    this.order = this.order.then(async () => {
      await known.catch(() => undefined)
      await this.p.core.state.current()
      for (const m of messages) this.incoming.emit(this.view(m), this.p.conversations.one(m.conversationId).get())
    })
  }

  showOutbox(): void {
    const { core, outbox, uploads } = this.p
    const next = core.state.outbox.map((r) => viewOfOutgoing(r, me(core), outbox.isOnWire(r.clientMessageId), uploads.view(r), undefined))
    if (next.length > 0 || this.outbox.get().length > 0) this.outbox.set(next)
  }

  private view(m: MessageRecord): MessageView {
    return viewOfMessage(m, this.p.core.state.conversations.get(m.conversationId), me(this.p.core), undefined)
  }

  private async change(conversation: string, id: string, edit: (m: MessageRecord) => MessageRecord): Promise<void> {
    await this.p.core.state.write(async (tx, change) => {
      const record = await tx.messages.get(conversation, id)
      if (record) await this.p.applier.replace(tx, change, edit(record))
    })
  }
}
