import type { LoggedEvent, ServerFrame, WelcomePayload } from '../protocol'
import { closeTail } from '../db'
import { asClientError } from '../transport'
import type { Acks } from './acks'
import { nothingApplied, type Applied, type Applier } from './apply'
import { count, tell, type Core } from './core'

type ErrorPayload = Extract<ServerFrame, { type: 'error' }>['payload']

/** What the receiver tells the rest of the engine, each after the events before it were stored. */
export interface ReceiverEvents {
  welcome(welcome: WelcomePayload, first: boolean): void
  synced(upTo: string): void
  applied(applied: Applied): void
  gap(): void
  typing(payload: Extract<ServerFrame, { type: 'typing' }>['payload']): void
  presence(payload: Extract<ServerFrame, { type: 'presence' }>['payload']): void
  error(payload: ErrorPayload): void
  /** The storage failed: without it nothing may be acknowledged, so the connection has to end. */
  failed(error: Error): void
}

/** Live frames stored in one transaction at most. */
const together = 100

interface Queued {
  epoch: number
  frame: ServerFrame
}

/** Takes the frames of the socket in their order, stores what is durable, and only then acknowledges it. */
export class Receiver {
  private readonly core: Core
  private readonly applier: Applier
  private readonly events: ReceiverEvents
  readonly acks: Acks
  private queue: Queued[] = []
  private running: Promise<void> | undefined
  private epoch = 0

  constructor(core: Core, applier: Applier, acks: Acks, events: ReceiverEvents) {
    this.core = core
    this.applier = applier
    this.acks = acks
    this.events = events
  }

  /** A new connection: what the last one brought is still stored, but not acknowledged on this one. */
  connected(): void {
    this.epoch++
    this.acks.reset()
  }

  take(frame: ServerFrame): void {
    if (frame.type === 'typing') return this.events.typing(frame.payload)
    if (frame.type === 'presence') return this.events.presence(frame.payload)
    this.queue.push({ epoch: this.epoch, frame })
    this.running ??= this.run().finally(() => (this.running = undefined))
  }

  /** Resolves when everything that came so far is stored. */
  async idle(): Promise<void> {
    await this.running
  }

  private async run(): Promise<void> {
    while (this.queue.length > 0) {
      try {
        await this.next()
      } catch (error) {
        // Nothing of this connection counts any more; what it brought comes again with the next.
        this.queue = []
        this.events.failed(asClientError(error))
        return
      }
    }
  }

  private async next(): Promise<void> {
    const first = this.queue[0]!
    if (storable(first.frame)) {
      const some: Queued[] = []
      for (const q of this.queue) {
        if (some.length >= together || !storable(q.frame)) break
        some.push(q)
      }
      this.queue.splice(0, some.length)
      return this.live(some)
    }
    this.queue.shift()
    const { frame, epoch } = first
    // What a lost connection said of itself is of no use any more; what it brought of the log is.
    if (epoch !== this.epoch && (frame.type === 'welcome' || frame.type === 'synced')) return
    switch (frame.type) {
      case 'welcome': return this.welcome(frame.payload)
      case 'pending_messages': return this.batch(frame, epoch)
      case 'synced': return this.synced(frame.payload.upTo)
      case 'gap':
        await this.core.state.write((tx, change) => this.applier.gap(tx, change, frame.payload.cursor))
        return this.events.gap()
      case 'error': return this.events.error(frame.payload)
    }
  }

  private async welcome(payload: WelcomePayload): Promise<void> {
    this.core.skew = Date.parse(payload.serverTime) - this.core.clock.now()
    const first = await this.core.state.write(async (tx, change) => {
      if (await tx.meta('welcomed')) return false
      // The log of a new device begins somewhere behind what was read over HTTP before.
      for (const c of await tx.conversations.all()) {
        if (c.ranges.length === 0) continue
        await tx.conversations.put({ ...c, ranges: closeTail(c.ranges) })
        change.conversation(c.id)
        change.history(c.id)
      }
      await tx.setMeta('welcomed', true)
      await this.applier.logBegins(tx, payload.cursor)
      return true
    })
    this.events.welcome(payload, first)
  }

  private async synced(upTo: string): Promise<void> {
    if (this.core.syncedUpTo === null || upTo > this.core.syncedUpTo) {
      this.core.syncedUpTo = upTo
      await this.core.state.write((tx) => tx.setMeta('syncedUpTo', upTo))
    }
    this.events.synced(upTo)
  }

  private async batch(frame: Extract<ServerFrame, { type: 'pending_messages' }>, epoch: number): Promise<void> {
    const applied = await this.core.state.write(async (tx, change) => {
      const out = nothingApplied()
      for (const entry of frame.payload.entries) {
        if (entry.type === 'message') await this.applier.message(tx, change, entry.message, out)
        else if (entry.type !== 'unknown') await this.applier.logged(tx, change, entry, out)
      }
      return out
    })
    if (epoch === this.epoch) this.acks.batch(frame.payload.eventId)
    count(this.core, { catchUps: 1 })
    this.told(applied)
  }

  private async live(some: readonly Queued[]): Promise<void> {
    const applied = await this.core.state.write(async (tx, change) => {
      const out = nothingApplied()
      for (const { frame } of some) {
        if (frame.type === 'message') await this.applier.message(tx, change, frame.payload, out)
        else if (frame.type === 'message_status') await this.applier.status(tx, change, frame.payload, out)
        else if (isLogged(frame)) {
          await this.applier.logged(tx, change, { type: frame.type, eventId: frame.payload.eventId ?? '', payload: frame.payload } as LoggedEvent, out)
        }
      }
      return out
    })
    for (const { frame, epoch } of some) {
      if (epoch !== this.epoch) continue
      if (frame.type === 'message') {
        if (frame.payload.eventId !== undefined) this.acks.message(frame.payload.id)
      } else if (frame.type === 'unknown') {
        if (frame.eventId !== undefined) this.acks.event(frame.eventId)
      } else if (isLogged(frame) && frame.payload.eventId !== undefined) {
        this.acks.event(frame.payload.eventId)
      }
    }
    this.told(applied)
  }

  private told(applied: Applied): void {
    count(this.core, { received: applied.incoming.length, sent: applied.settled.length, duplicatesDropped: applied.duplicates })
    for (const m of applied.settled) {
      tell(this.core, { kind: 'message', step: 'stored', conversationId: m.conversationId, messageId: m.id, ...(m.clientMessageId === undefined ? {} : { clientMessageId: m.clientMessageId }) })
    }
    for (const m of applied.incoming) {
      tell(this.core, { kind: 'message', step: 'received', conversationId: m.conversationId, messageId: m.id, userId: m.senderId, ...(m.clientMessageId === undefined ? {} : { clientMessageId: m.clientMessageId }) })
    }
    for (const s of applied.statuses) {
      for (const messageId of new Set([s.messageId, ...(s.messageIds ?? [])])) {
        tell(this.core, { kind: 'message', step: s.status, conversationId: s.conversationId, messageId, userId: s.userId })
      }
    }
    this.events.applied(applied)
  }
}

function storable(frame: ServerFrame): boolean {
  return frame.type === 'message' || frame.type === 'message_status' || frame.type === 'unknown' || isLogged(frame)
}

function isLogged(frame: ServerFrame): frame is Extract<ServerFrame, { type: LoggedEvent['type'] }> {
  return frame.type === 'message_edited' || frame.type === 'message_deleted' || frame.type === 'reaction' || frame.type === 'conversation'
}
