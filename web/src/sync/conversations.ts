import type { ConversationRecord, OutboxRecord } from '../db'
import type { ClientFrame, Rest as Wire } from '../protocol'
import { laterId } from '../protocol'
import type { ConversationsApi, ConversationView, Live } from './api'
import type { Applier } from './apply'
import { me, type Core } from './core'
import { viewOfConversation } from './conversation-view'
import { Cell } from './live'
import type { MediaFiles } from './media'
import { mergeConversation } from './merge'
import type { Presence } from './presence'
import type { Typing } from './typing'

/** Read markers that follow each other closely are one; in ms. */
const readGather = 100

export interface ConversationParts {
  core: Core
  applier: Applier
  typing: Typing
  presence: Presence
  media: MediaFiles
  send(frame: ClientFrame): boolean
  /** To the leading tab, when it isn't this one. */
  toLeader(command: 'typing' | 'reads', args: unknown[]): boolean
}

/** The list of conversations, and what can be done with one. */
export class Conversations implements ConversationsApi {
  private readonly p: ConversationParts
  private readonly cell = new Cell<readonly ConversationView[]>([])
  private views = new Map<string, { inputs: readonly unknown[]; view: ConversationView }>()
  private ones = new Map<string, Cell<ConversationView | undefined>>()
  private isLoaded = false
  private readTimer: unknown
  private draftTimers = new Map<string, unknown>()
  private fetching = new Map<string, Promise<ConversationRecord | undefined>>()

  constructor(parts: ConversationParts) {
    this.p = parts
    const { core, typing, presence } = parts
    core.state.refreshed.on((change) => {
      if (change.conversations.size > 0 || change.outbox) this.show()
    })
    typing.changed.on(() => this.show())
    presence.changed.on(() => this.show())
  }

  get = () => this.cell.get()
  subscribe = (listener: () => void) => this.cell.subscribe(listener)
  loaded = () => this.isLoaded

  one(id: string): Live<ConversationView | undefined> {
    let cell = this.ones.get(id)
    if (!cell) this.ones.set(id, (cell = new Cell(this.views.get(id)?.view)))
    return cell
  }

  /** The records changed; from the storage at the start, or after a sign-out. */
  show(): void {
    const { core, typing, presence } = this.p
    this.isLoaded = true
    const self = me(core)
    const outgoing = new Map<string, OutboxRecord>()
    for (const r of core.state.outbox) outgoing.set(r.conversationId, r)
    const next = new Map<string, { inputs: readonly unknown[]; view: ConversationView }>()
    for (const c of core.state.conversations.values()) {
      // Not yet asked for at the server, see unknownConversation.
      if (c.participants.length === 0) continue
      const peer = c.type === 'direct' ? c.participants.find((p) => p.userId !== self) : undefined
      const inputs = [c, self, typing.in(c.id), peer && presence.peek(peer.userId), outgoing.get(c.id)]
      const before = this.views.get(c.id)
      const same = before?.inputs.every((x, i) => x === inputs[i])
      next.set(c.id, same ? before! : {
        inputs, view: viewOfConversation(c, { self, typing: typing.in(c.id), presence: (id) => presence.peek(id), outgoing: outgoing.get(c.id) }),
      })
    }
    this.views = next
    const list = [...next.values()].map((v) => v.view).sort((a, b) => (a.updatedAt > b.updatedAt ? -1 : a.updatedAt < b.updatedAt ? 1 : a.id < b.id ? -1 : 1))
    const before = this.cell.get()
    if (list.length !== before.length || list.some((v, i) => v !== before[i])) this.cell.set(list)
    for (const [id, cell] of this.ones) cell.set(next.get(id)?.view)
  }

  async refresh(): Promise<void> {
    for (let cursor: string | undefined; ;) {
      const fetchedAt = this.p.core.clock.now()
      const page = await this.p.core.api.conversations(cursor, 100)
      const changed = await this.store(page.conversations, fetchedAt)
      // Newest first: behind a page of nothing new there is nothing new.
      if (!page.hasMore || page.cursor === undefined || !changed) break
      cursor = page.cursor
    }
    await this.p.core.state.current()
  }

  /** Reads one conversation from the server, once for all who ask at the moment. undefined: not a member. */
  fetch(id: string): Promise<ConversationRecord | undefined> {
    let running = this.fetching.get(id)
    if (!running) {
      running = this.fetchNow(id).finally(() => this.fetching.delete(id))
      this.fetching.set(id, running)
    }
    return running
  }

  createDirect = (userId: string) => this.create({ type: 'direct', participantIds: [userId] })
  createGroup = (name: string, userIds: string[]) => this.create({ type: 'group', name, participantIds: userIds })
  createChannel = (name: string, userIds: string[]) => this.create({ type: 'channel', name, participantIds: userIds })

  async rename(id: string, name: string): Promise<void> {
    await this.changed(this.p.core.api.changeConversation(id, { name }))
  }

  async setAvatar(id: string, avatar: Blob | null): Promise<void> {
    const avatarId = avatar ? await this.p.media.uploadAvatar(avatar) : ''
    await this.changed(this.p.core.api.changeConversation(id, { avatarId }))
  }

  async addMembers(id: string, userIds: string[]): Promise<void> {
    await this.changed(this.p.core.api.addMembers(id, userIds))
  }

  async removeMember(id: string, userId: string): Promise<void> {
    await this.p.core.api.removeMember(id, userId)
    await this.fetch(id)
  }

  async setRole(id: string, userId: string, role: 'admin' | 'member'): Promise<void> {
    await this.p.core.api.setRole(id, userId, role)
    await this.fetch(id)
  }

  async members(id: string, cursor?: string) {
    const page = await this.p.core.api.members(id, cursor)
    return { members: page.members, ...(page.hasMore && page.cursor !== undefined ? { cursor: page.cursor } : {}) }
  }

  async leave(id: string): Promise<void> {
    await this.p.core.api.removeMember(id, me(this.p.core))
    await this.edit(id, (c) => ({ ...c, left: true, unreadCount: 0 }))
  }

  async setMuted(id: string, muted: boolean): Promise<void> {
    await this.p.core.api.setPreferences(id, { muted })
    await this.edit(id, (c) => ({ ...c, muted }))
  }

  async setArchived(id: string, archived: boolean): Promise<void> {
    await this.p.core.api.setPreferences(id, { archived })
    await this.edit(id, (c) => ({ ...c, archived }))
  }

  setDraft(id: string, draft: string): void {
    const { clock } = this.p.core
    clock.clearTimeout(this.draftTimers.get(id))
    this.draftTimers.set(id, clock.setTimeout(() => void this.edit(id, (c) => (c.draft === draft ? c : { ...c, draft })), draft === '' ? 0 : 300))
  }

  typing(id: string, isTyping = true): void {
    if (!this.p.toLeader('typing', [id, isTyping])) this.p.typing.tell(id, isTyping)
  }

  markRead(id: string, upTo: string): void {
    void this.p.core.state.write(async (tx, change) => {
      const c = await tx.conversations.get(id)
      if (!c || upTo <= (c.readUpTo ?? '')) return
      await tx.conversations.put({ ...c, readUpTo: upTo, unreadCount: await this.p.applier.unreadAfter(tx, c, upTo) })
      change.conversation(id)
    }).then(() => {
      if (!this.p.toLeader('reads', [])) this.sendReadsSoon()
    })
  }

  /** Tells the server of everything that was read, now or before the connection came. */
  async sendReads(): Promise<void> {
    await this.p.core.state.current()
    for (const c of this.p.core.state.conversations.values()) {
      if (c.readUpTo === undefined || c.readUpTo <= (c.readSent ?? '') || c.left) continue
      const upTo = c.readUpTo
      if (!this.p.send({ type: 'read', payload: { conversationId: c.id, upToMessageId: upTo } })) return
      await this.edit(c.id, (now) => ({ ...now, readSent: laterId(now.readSent, upTo) ?? upTo }))
    }
  }

  sendReadsSoon(): void {
    this.readTimer ??= this.p.core.clock.setTimeout(() => {
      this.readTimer = undefined
      void this.sendReads()
    }, readGather)
  }

  private async create(body: Wire.CreateInput): Promise<ConversationView> {
    const id = await this.changed(this.p.core.api.createConversation(body))
    return this.views.get(id)!.view
  }

  private async changed(call: Promise<Wire.Conversation>): Promise<string> {
    const wire = await call
    await this.store([wire], this.p.core.clock.now())
    await this.p.core.state.current()
    return wire.id
  }

  private async fetchNow(id: string): Promise<ConversationRecord | undefined> {
    try {
      await this.changed(this.p.core.api.conversation(id))
    } catch (error) {
      if ((error as { code?: string }).code !== 'FORBIDDEN') throw error
      await this.edit(id, (c) => ({ ...c, left: true, unreadCount: 0 }))
    }
    return this.p.core.state.conversations.get(id)
  }

  private async edit(id: string, edit: (c: ConversationRecord) => ConversationRecord): Promise<void> {
    await this.p.core.state.write(async (tx, change) => {
      const before = await tx.conversations.get(id)
      const after = before && edit(before)
      if (!after || after === before) return
      await tx.conversations.put(after)
      change.conversation(id)
    })
  }

  private async store(list: readonly Wire.Conversation[], fetchedAt: number): Promise<boolean> {
    return this.p.core.state.write(async (tx, change) => {
      let changed = false
      for (const wire of list) {
        const before = await tx.conversations.get(wire.id)
        const after = mergeConversation(before, wire, fetchedAt, await this.p.applier.unreadOf(tx, before, wire))
        if (after.last) after.last = this.p.applier.early.apply(after.last, fetchedAt)
        if (before && JSON.stringify(before) === JSON.stringify(after)) continue
        changed = true
        await tx.conversations.put(after)
        change.conversation(wire.id)
      }
      return changed
    })
  }
}
