import type { ClientFrame } from '../protocol'
import type { Clock } from '../transport'

/** Live acks are gathered so long, in ms; the protocol allows 200. */
const gatherMs = 100
const maxIds = 500

/**
 * Acknowledges what was stored. Acks belong to the connection that brought the events: what a lost connection can't take any
 * more comes again and is acknowledged then.
 */
export class Acks {
  private readonly clock: Clock
  private readonly send: (frame: ClientFrame) => boolean
  private messageIds: string[] = []
  private eventIds: string[] = []
  private timer: unknown

  constructor(clock: Clock, send: (frame: ClientFrame) => boolean) {
    this.clock = clock
    this.send = send
  }

  message(id: string): void {
    this.messageIds.push(id)
    this.gathered()
  }

  event(id: string): void {
    this.eventIds.push(id)
    this.gathered()
  }

  /** Everything of a batch; at once, behind what was gathered. */
  batch(upTo: string): void {
    this.flush()
    this.send({ type: 'ack', payload: { eventId: upTo } })
  }

  /** The connection is gone, and with it what was to be said on it. */
  reset(): void {
    this.clock.clearTimeout(this.timer)
    this.timer = undefined
    this.messageIds = []
    this.eventIds = []
  }

  flush(): void {
    this.clock.clearTimeout(this.timer)
    this.timer = undefined
    if (this.messageIds.length + this.eventIds.length === 0) return
    const payload: { messageIds?: string[]; eventIds?: string[] } = {}
    if (this.messageIds.length > 0) payload.messageIds = this.messageIds
    if (this.eventIds.length > 0) payload.eventIds = this.eventIds
    this.messageIds = []
    this.eventIds = []
    this.send({ type: 'ack', payload })
  }

  private gathered(): void {
    if (this.messageIds.length >= maxIds || this.eventIds.length >= maxIds) return this.flush()
    this.timer ??= this.clock.setTimeout(() => this.flush(), gatherMs)
  }
}
