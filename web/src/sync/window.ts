import { firstFrom, rangeOf, tailOf, type ConversationRecord, type MessageRecord, type Tx } from '../db'
import { asClientError } from '../transport'
import type { ClientFailure, MessageView, MessageWindow, WindowSnapshot } from './api'
import { ChangeSet } from './changes'
import { count, me, type Core } from './core'
import type { History } from './history'
import { Cell } from './live'
import { viewOfOutgoing } from './message-view'
import type { Outbox } from './outbox'
import { Rows } from './rows'
import type { Reader } from './state'
import type { Uploads } from './uploads'

export interface WindowParts {
  core: Core
  history: History
  outbox: Outbox
  uploads: Uploads
}

/** Pages taken at once when the cache has them: each reading costs as much as some hundred messages do. */
const cachedPages = 4

/** So far back the first unread message is looked for, in pages; and how far the server counts. */
const unreadPages = 8
const mostCounted = 100

const empty: WindowSnapshot = { items: [], loaded: false, findingUnread: false, hasOlder: false, hasNewer: false, loadingOlder: false, loadingNewer: false }

/** One conversation's stretch on show: cached records in memory, views made of them, and pages fetched as they are needed. */
export class HistoryWindow implements MessageWindow, Reader {
  readonly conversationId: string
  private readonly p: WindowParts
  private readonly pageSize: number
  private readonly cell = new Cell<WindowSnapshot>(empty)
  private records: MessageRecord[] = []
  private conversation: ConversationRecord | undefined
  /** Answered messages outside of the window; null: not in the cache. */
  private replies = new Map<string, MessageRecord | null>()
  private looked = new Set<string>()
  private readonly rows = new Rows((id) => this.replies.get(id))
  /** The window reaches the newest message and follows it. */
  private atTail = true
  private findingUnread = false
  private firstUnreadId: string | undefined
  private unreadAtStart: Pick<ConversationRecord, 'unreadCount' | 'readUpTo'> | undefined
  private older: Promise<void> | undefined
  private newer: Promise<void> | undefined
  private error: ClientFailure | undefined
  private detach: (() => void)[] = []
  private closed = false

  constructor(parts: WindowParts, conversationId: string, pageSize: number, around: string | undefined) {
    this.p = parts
    this.conversationId = conversationId
    this.pageSize = pageSize
    const { state } = parts.core
    this.detach.push(state.addReader(this), state.refreshed.on((change) => {
      if (change.outbox) this.show()
    }), parts.uploads.changed.on(() => this.show()))
    void this.begin(around)
  }

  get = (): WindowSnapshot => this.cell.get()
  subscribe = (listener: () => void) => this.cell.subscribe(listener)

  close(): void {
    this.closed = true
    for (const d of this.detach) d()
  }

  loadOlder(): Promise<void> {
    this.older ??= this.guarded(() => this.extendOlder()).finally(() => {
      this.older = undefined
      this.show()
    })
    this.show()
    return this.older
  }

  loadNewer(): Promise<void> {
    this.newer ??= this.guarded(() => this.extendNewer()).finally(() => {
      this.newer = undefined
      this.show()
    })
    this.show()
    return this.newer
  }

  async jumpTo(id: string): Promise<boolean> {
    if (this.records.some((m) => m.id === id)) return true
    let found = await this.readAround(id)
    if (!found) await this.guarded(async () => {
      found = await this.p.history.around(this.conversationId, id, this.pageSize) && await this.readAround(id)
    })
    return found
  }

  async jumpToNewest(): Promise<void> {
    if (this.atTail) return
    this.atTail = true
    await this.readTail()
    await this.fillTail()
  }

  /** Shows messages that were just put into the outbox, before they are saved. */
  outboxChanged(): void {
    this.show()
  }

  async read(tx: Tx, change: ChangeSet): Promise<() => void> {
    const ids = change.messages.get(this.conversationId)
    const ours = change.conversations.has(this.conversationId)
    if (!ids && !ours) return () => undefined
    const conversation = await tx.conversations.get(this.conversationId)
    const shown = this.records
    let records = shown
    const replies = new Map(this.replies)
    if (ids) records = ids === 'all' ? await this.readAll(tx, conversation) : await this.readSome(tx, ids, conversation)
    const answered: string[] = []
    for (const id of replies.keys()) {
      if (ids !== 'all' && !ids?.has(id)) continue
      replies.set(id, (await tx.messages.get(this.conversationId, id)) ?? null)
      answered.push(id)
    }
    return () => {
      this.conversation = conversation
      // A page was added while this was read: read once more, on top of it.
      if (this.records === shown) this.records = records
      else if (ids) void this.again()
      this.replies = replies
      for (const id of answered) this.rows.refreshAnswers(id)
      this.show()
    }
  }

  private again(): Promise<void> {
    const change = new ChangeSet()
    change.history(this.conversationId)
    return this.p.core.state.refresh(change)
  }

  private async begin(around: string | undefined): Promise<void> {
    await this.readTail()
    this.markUnread()
    if (around !== undefined && await this.jumpTo(around)) return
    this.findingUnread = !this.markUnread()
    await this.fillTail()
    for (let i = 0; !this.markUnread() && i < unreadPages; i++) {
      this.findingUnread = true
      if (this.closed || !this.hasOlder()) break
      await this.loadOlder()
      if (this.error) break
    }
    this.findingUnread = false
    this.show()
  }

  /** The first of the messages that were unread at the beginning, which later reading doesn't move. false: it lies further back. */
  private markUnread(): boolean {
    const { unreadCount, readUpTo } = (this.unreadAtStart ??= this.conversation) ?? { unreadCount: 0 }
    if (this.firstUnreadId !== undefined || unreadCount === 0 || !this.atTail) return true
    const self = me(this.p.core)
    const others = this.records.filter((m) => m.senderId !== self)
    const all = !this.hasOlder()
    if (readUpTo !== undefined) {
      if (!all && (this.records[0]?.id ?? '') > readUpTo) return false
      this.firstUnreadId = others.find((m) => m.id > readUpTo)?.id
    } else {
      // The server counts to a hundred: more may be unread.
      if (!all && (others.length < unreadCount || unreadCount >= mostCounted)) return false
      this.firstUnreadId = (unreadCount >= mostCounted ? others[0] : others.at(-Math.min(unreadCount, others.length)))?.id
    }
    return true
  }

  /** Reads the end again when it isn't here, as after a gap. */
  refill(): void {
    if (this.atTail && this.cell.get().loaded) void this.fillTail()
  }

  private async fillTail(): Promise<void> {
    const { conversation, p: { core } } = this
    if (this.closed || conversation?.left) return
    if (conversation && tailOf(conversation.ranges)) {
      if (this.records.length < this.pageSize && this.hasOlder()) await this.loadOlder()
      return
    }
    await this.guarded(async () => {
      await this.p.history.newest(this.conversationId, this.pageSize)
      await core.state.current()
      if (this.atTail) await this.readTail()
    })
  }

  private async guarded(run: () => Promise<void>): Promise<void> {
    try {
      await run()
      this.error = undefined
    } catch (error) {
      this.error = asClientError(error)
    }
    this.show()
  }

  /** Where the window begins; without records, where the newest stretch does. */
  private top(): string | undefined {
    return this.records[0]?.id ?? tailOf(this.conversation?.ranges ?? [])?.from
  }

  private hasOlder(): boolean {
    const top = this.top()
    if (top === undefined) return false
    const range = rangeOf(this.conversation?.ranges ?? [], top)
    return !range?.start || top > range.from
  }

  private async extendOlder(): Promise<void> {
    const top = this.top()
    if (top === undefined || !this.hasOlder()) return
    const range = () => rangeOf(this.conversation?.ranges ?? [], top)
    if (!range() || top <= range()!.from) {
      await this.p.history.before(this.conversationId, top, this.pageSize)
      await this.p.core.state.current()
    }
    const from = range()?.from
    if (from === undefined) return
    const page = await this.p.core.state.steady((tx) => tx.messages.stretch(this.conversationId, { from, to: top, limit: this.pageSize * cachedPages + 1, newest: true }))
    if (this.top() === top) this.records = page.filter((m) => m.id < top).concat(this.records)
  }

  private async extendNewer(): Promise<void> {
    const last = this.records.at(-1)
    if (!last || this.atTail) return
    const range = () => rangeOf(this.conversation?.ranges ?? [], last.id)
    if (!range() || (last.id >= range()!.to && !range()!.tail)) {
      await this.p.history.since(this.conversationId, last.id, this.pageSize)
      await this.p.core.state.current()
    }
    const r = range()
    if (!r) return
    const page = await this.p.core.state.steady((tx) => tx.messages.stretch(this.conversationId, { from: last.id, to: r.to, limit: this.pageSize * cachedPages + 1 }))
    if (this.records.at(-1)?.id !== last.id) return
    this.records = this.records.concat(page.filter((m) => m.id > last.id))
    this.atTail = r.tail === true && (this.records.at(-1)?.id ?? '') >= r.to
  }

  private async readTail(): Promise<void> {
    await this.p.core.state.steady(async (tx) => {
      const conversation = await tx.conversations.get(this.conversationId)
      const range = conversation && (tailOf(conversation.ranges) ?? conversation.ranges.at(-1))
      const records = range ? await tx.messages.stretch(this.conversationId, { from: range.from, limit: this.pageSize, newest: true }) : []
      this.conversation = conversation
      this.records = records
    })
    this.loaded()
  }

  private async readAround(id: string): Promise<boolean> {
    const half = Math.ceil(this.pageSize / 2)
    const found = await this.p.core.state.steady(async (tx) => {
      const conversation = await tx.conversations.get(this.conversationId)
      const range = conversation && rangeOf(conversation.ranges, id)
      if (!range || !(await tx.messages.get(this.conversationId, id))) return false
      const before = await tx.messages.stretch(this.conversationId, { from: range.from, to: id, limit: half + 1, newest: true })
      const after = await tx.messages.stretch(this.conversationId, { from: id, to: range.to, limit: half + 1 })
      this.conversation = conversation
      this.records = [...before, ...after.filter((m) => m.id > id)]
      this.atTail = range.tail === true && this.records.at(-1)?.id === range.to
      return true
    })
    if (found) this.loaded()
    return found
  }

  /** After more than single messages changed: what the window showed, put right. */
  private async readAll(tx: Tx, conversation: ConversationRecord | undefined): Promise<MessageRecord[]> {
    const ranges = conversation?.ranges ?? []
    const first = this.records[0]
    const range = first && rangeOf(ranges, first.id)
    if (first && range && (!this.atTail || range.tail)) {
      const to = this.atTail ? undefined : this.records.at(-1)!.id
      return tx.messages.stretch(this.conversationId, { from: first.id, ...(to === undefined ? {} : { to }) })
    }
    if (!this.atTail && first) return this.records
    const tail = tailOf(ranges) ?? ranges.at(-1)
    return tail ? tx.messages.stretch(this.conversationId, { from: tail.from, limit: this.pageSize, newest: true }) : []
  }

  private async readSome(tx: Tx, ids: ReadonlySet<string>, conversation: ConversationRecord | undefined): Promise<MessageRecord[]> {
    const from = this.records[0]?.id ?? (tailOf(conversation?.ranges ?? []) ?? conversation?.ranges.at(-1))?.from
    const to = this.atTail ? undefined : this.records.at(-1)?.id
    const records = this.records.slice()
    for (const id of [...ids].sort()) {
      if (from === undefined || id < from || (to !== undefined && id > to)) continue
      const record = await tx.messages.get(this.conversationId, id)
      const at = firstFrom(records, id)
      const known = records[at]?.id === id
      if (record) records.splice(at, known ? 1 : 0, record)
      else if (known) records.splice(at, 1)
    }
    return records
  }

  private loaded(): void {
    this.cell.set({ ...this.cell.get(), loaded: true })
    this.show()
  }

  private show(): void {
    if (this.closed || !this.cell.get().loaded) return
    const { core, uploads, outbox } = this.p
    const self = me(core)
    this.rows.update(this.records, this.conversation, self)
    let items = this.rows.views
    if (this.atTail) {
      const waiting = core.state.outbox.filter((r) => r.conversationId === this.conversationId)
      // The server's copy may be here while its original is still being taken out.
      const stored = waiting.length === 0 ? undefined : new Set(this.records.slice(-200).map((m) => m.clientMessageId))
      const outgoing = waiting.filter((r) => !stored!.has(r.clientMessageId)).map((r) => {
        const upload = uploads.view(r)
        if (upload && upload.blob === null) void uploads.load(r.clientMessageId)
        if (r.replyToId !== undefined) this.find(r.replyToId)
        return viewOfOutgoing(r, self, outbox.isOnWire(r.clientMessageId), upload, this.rows.reply(r.replyToId))
      })
      if (outgoing.length > 0) items = items.concat(outgoing)
    }
    for (const id of this.rows.unknownTargets()) this.find(id)
    this.audit(items)
    const snapshot: WindowSnapshot = {
      items, loaded: true, findingUnread: this.findingUnread, hasOlder: this.hasOlder(), hasNewer: !this.atTail, loadingOlder: this.older !== undefined, loadingNewer: this.newer !== undefined,
      ...(this.firstUnreadId === undefined ? {} : { firstUnreadId: this.firstUnreadId }),
      ...(this.error ? { error: this.error } : {}),
    }
    if (!sameSnapshot(this.cell.get(), snapshot)) this.cell.set(snapshot)
  }

  /** What is shown is looked at, so that the figures of the demo are measured and not claimed. */
  private audit(items: readonly MessageView[]): void {
    let doubled = 0
    let reordered = 0
    for (let i = Math.max(1, items.length - 200); i < items.length; i++) {
      const [a, b] = [items[i - 1]!, items[i]!]
      if (a.key === b.key) doubled++
      else if (a.id !== undefined && b.id !== undefined && a.id >= b.id) reordered++
    }
    if (doubled + reordered > 0) count(this.p.core, { doubled, reordered })
  }

  /** Looks for a message that is answered here, once. */
  private find(id: string): void {
    if (this.looked.has(id) || this.rows.record(id)) return
    this.looked.add(id)
    void this.findReply(id)
  }

  private async findReply(id: string): Promise<void> {
    const { state } = this.p.core
    const cached = await state.storage.read((tx) => tx.messages.get(this.conversationId, id))
    this.replies.set(id, cached ?? null)
    if (cached) {
      this.rows.refreshAnswers(id)
      return this.show()
    }
    // Its being stored makes the window read it.
    await this.p.history.single(this.conversationId, id).catch(() => undefined)
  }
}

function sameSnapshot(a: WindowSnapshot, b: WindowSnapshot): boolean {
  return a.loaded === b.loaded && a.hasOlder === b.hasOlder && a.hasNewer === b.hasNewer && a.findingUnread === b.findingUnread && a.loadingOlder === b.loadingOlder &&
    a.loadingNewer === b.loadingNewer && a.firstUnreadId === b.firstUnreadId && a.error === b.error &&
    (a.items === b.items || (a.items.length === b.items.length && a.items.every((m, i) => m === b.items[i])))
}
