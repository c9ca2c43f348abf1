import type { SimClock } from '../../transport/sim-clock'
import type { ServerEnd, SimSocket } from './network'

/**
 * A small model of the server, for scheduling faults: logs, cursors, claims and histories as the protocol says, and
 * nothing else of the real one. What it may do wrong it does on purpose: lose pushes, repeat events, fail after it has
 * stored.
 */
export interface ModelMessage {
  id: string
  conversationId: string
  senderId: string
  content: string
  contentType: 'text'
  clientMessageId: string
  createdAt: string
  editedAt?: string
  deleted?: boolean
  reactions: { userId: string; emoji: string }[]
  replyToId?: string
}

interface LogEntry {
  eventId: string
  type: string
  messageId: string
  payload: Record<string, unknown>
}

export interface Faults {
  losePush: number
  duplicate: number
  failBefore: number
  failAfter: number
  restFailure: number
}

export const noFaults: Faults = { losePush: 0, duplicate: 0, failBefore: 0, failAfter: 0, restFailure: 0 }

/** All fields of all frames: the model believes what its client sends. */
interface ClientPayload {
  content: string
  clientMessageId: string
  replyToId?: string
  upToMessageId: string
  messageIds?: string[]
  eventIds?: string[]
  eventId?: string
}

interface Device {
  cursor: string
  acked: Set<string>
  session?: ModelSession
  /** The log no longer reaches back to its cursor. */
  gap?: boolean
}

const batchSize = 5
const verifyEvery = 5000

export class ModelServer {
  readonly clock: SimClock
  readonly random: () => number
  faults: Faults = noFaults
  up = true
  readonly messages: ModelMessage[] = []
  readonly conversationId: string
  readonly users: { id: string; username: string; displayName: string }[]
  readonly logs = new Map<string, LogEntry[]>()
  readonly devices = new Map<string, Device>()
  readonly receipts = new Map<string, { deliveredTo?: string; readTo?: string }>()
  readonly sessions = new Set<ModelSession>()
  private nextId = 0n

  constructor(clock: SimClock, random: () => number, users: string[], conversationId: string) {
    this.clock = clock
    this.random = random
    this.conversationId = conversationId
    this.users = users.map((id, i) => ({ id, username: `user${i}`, displayName: `User ${i}` }))
    for (const id of users) this.logs.set(id, [])
  }

  /** As the real ones: a time, then a count. */
  id(): string {
    const least = BigInt(Math.floor(this.clock.now() - Date.UTC(2024, 0, 1))) << 22n
    this.nextId = (this.nextId >= least ? this.nextId : least) + BigInt(1 + Math.floor(this.random() * 3))
    let text = ''
    for (let v = this.nextId; v > 0n; v >>= 5n) text = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[Number(v & 31n)]! + text
    return text.padStart(13, '0')
  }

  now(): string {
    return new Date(this.clock.now()).toISOString()
  }

  accept(socket: SimSocket, userId: string, deviceId: string): ServerEnd | undefined {
    if (!this.up) return undefined
    let device = this.devices.get(deviceId)
    if (!device) {
      const others = [...this.devices].filter(([id]) => id.startsWith(userId.slice(0, 8))).map(([, d]) => d.cursor)
      device = { cursor: others.sort().at(-1) ?? '', acked: new Set() }
      this.devices.set(deviceId, device)
    }
    device.session?.replaced()
    const session = new ModelSession(this, socket, userId, device)
    device.session = session
    this.sessions.add(session)
    session.begin()
    return session
  }

  /** A crash: connections end, what was stored stays. */
  restart(): void {
    for (const s of [...this.sessions]) s.cut()
  }

  /** A device was away for longer than the log is kept. */
  forget(deviceId: string): void {
    const device = this.devices.get(deviceId)
    if (!device) return
    device.gap = true
    device.session?.cut()
  }

  /** Logs an event of all members, and shows it. */
  log(type: string, messageId: string, payload: Record<string, unknown>): void {
    for (const [userId, log] of this.logs) {
      const entry = { eventId: this.id(), type, messageId, payload }
      log.push(entry)
      for (const s of this.sessions) if (s.userId === userId) s.show(entry)
    }
  }

  send(senderId: string, p: { content: string; clientMessageId: string; replyToId?: string }): { message: ModelMessage; fresh: boolean } {
    const known = this.messages.find((m) => m.senderId === senderId && m.clientMessageId === p.clientMessageId)
    if (known) return { message: known, fresh: false }
    const message: ModelMessage = {
      id: this.id(), conversationId: this.conversationId, senderId, content: p.content, contentType: 'text', clientMessageId: p.clientMessageId,
      createdAt: this.now(), reactions: [], ...(p.replyToId === undefined ? {} : { replyToId: p.replyToId }),
    }
    this.messages.push(message)
    return { message, fresh: true }
  }

  mark(userId: string, kind: 'deliveredTo' | 'readTo', id: string): void {
    const r = this.receipts.get(userId) ?? {}
    if ((r[kind] ?? '') >= id) return
    this.receipts.set(userId, { ...r, [kind]: id })
  }

  wire(m: ModelMessage, forUser: string): Record<string, unknown> {
    const { reactions, clientMessageId, ...rest } = m
    return { ...rest, ...(reactions.length > 0 ? { reactions } : {}), clientMessageId, ...(m.senderId === forUser ? { status: 'sent' } : {}) }
  }
}

/** One connection, from the server's side. */
export class ModelSession implements ServerEnd {
  readonly userId: string
  private readonly server: ModelServer
  private readonly socket: SimSocket
  private readonly device: Device
  private catchingUp = true
  private batchEnd = ''
  /** Where the log begins for a device with a gap. Its cursor follows when it acknowledges something, and so has heard of the gap. */
  private from = ''
  private over = false

  constructor(server: ModelServer, socket: SimSocket, userId: string, device: Device) {
    this.server = server
    this.socket = socket
    this.userId = userId
    this.device = device
  }

  begin(): void {
    const { server, device } = this
    this.push('welcome', {
      userId: this.userId, deviceId: '00000000-0000-7000-8000-000000000001', serverTime: server.now(), cursor: device.cursor || '0000000000000',
      pending: this.pending().length > 0, heartbeatSeconds: 55,
      limits: { ackIds: 500, batch: batchSize, content: 10_000, frameBytes: 131_072, groupMembers: 256, mediaBytes: 0, presenceUsers: 100 },
    })
    if (device.gap) {
      this.from = server.logs.get(this.userId)!.at(-1)?.eventId ?? ''
      this.push('gap', { cursor: this.from || '0000000000000' })
    }
    this.nextBatch()
    const verify = () => {
      if (this.over) return
      if (!this.catchingUp) for (const e of this.pending()) this.showNow(e)
      server.clock.setTimeout(verify, verifyEvery)
    }
    server.clock.setTimeout(verify, verifyEvery)
  }

  show(entry: LogEntry): void {
    // Held while the device catches up: the log has it.
    if (this.catchingUp || this.server.random() < this.server.faults.losePush) return
    this.showNow(entry)
    if (this.server.random() < this.server.faults.duplicate) this.showNow(entry)
  }

  replaced(): void {
    this.over = true
    this.server.sessions.delete(this)
  }

  cut(): void {
    this.socket.cut()
  }

  closed(): void {
    this.over = true
    this.server.sessions.delete(this)
  }

  receive(text: string): void {
    if (this.over) return
    const { server } = this
    const frame = JSON.parse(text) as { type: string; payload: ClientPayload }
    const p = frame.payload
    switch (frame.type) {
      case 'ping': return this.push('pong', {})
      case 'ack': return this.ack(p)
      case 'message': {
        if (server.random() < server.faults.failBefore) return this.unavailable(p)
        const { message, fresh } = server.send(this.userId, p)
        if (fresh) server.log('message', message.id, {})
        if (server.random() < server.faults.failAfter) return this.unavailable(p)
        return this.push('message', server.wire(message, this.userId))
      }
      case 'read': {
        server.mark(this.userId, 'readTo', p.upToMessageId)
        server.mark(this.userId, 'deliveredTo', p.upToMessageId)
        this.tellOthers('read', p.upToMessageId)
      }
    }
  }

  private unavailable(p: ClientPayload): void {
    this.push('error', { code: 'UNAVAILABLE', message: 'try again', clientMessageId: p.clientMessageId })
  }

  private tellOthers(status: 'delivered' | 'read', messageId: string): void {
    for (const s of this.server.sessions) {
      if (s.userId !== this.userId && this.server.random() >= this.server.faults.losePush) {
        s.push('message_status', { conversationId: this.server.conversationId, status, userId: this.userId, messageId, at: this.server.now() })
      }
    }
  }

  private ack(p: { messageIds?: string[]; eventIds?: string[]; eventId?: string }): void {
    const log = this.server.logs.get(this.userId)!
    if (this.from > this.device.cursor) this.device.cursor = this.from
    this.device.gap = false
    const acked = (e: LogEntry) => {
      this.device.acked.add(e.eventId)
      const message = e.type === 'message' && this.server.messages.find((m) => m.id === e.messageId)
      if (!message || message.senderId === this.userId) return
      this.server.mark(this.userId, 'deliveredTo', message.id)
      this.tellOthers('delivered', message.id)
    }
    for (const e of log) {
      if (p.messageIds?.includes(e.messageId) && e.type === 'message') acked(e)
      if (p.eventIds?.includes(e.eventId)) acked(e)
      if (p.eventId !== undefined && e.eventId <= p.eventId && !this.device.acked.has(e.eventId)) acked(e)
    }
    for (const e of log) {
      if (e.eventId <= this.device.cursor) continue
      if (!this.device.acked.has(e.eventId)) break
      this.device.cursor = e.eventId
    }
    if (p.eventId !== undefined && p.eventId === this.batchEnd) this.nextBatch()
  }

  private pending(): LogEntry[] {
    return this.server.logs.get(this.userId)!.filter((e) => e.eventId > this.device.cursor && e.eventId > this.from && !this.device.acked.has(e.eventId))
  }

  private nextBatch(): void {
    const all = this.pending()
    const some = all.slice(0, batchSize)
    if (some.length === 0) {
      this.catchingUp = false
      this.batchEnd = ''
      return this.push('synced', { upTo: this.server.now() })
    }
    this.batchEnd = some.at(-1)!.eventId
    this.push('pending_messages', {
      messages: some.filter((e) => e.type === 'message').map((e) => ({ ...this.message(e), eventId: e.eventId })),
      events: some.filter((e) => e.type !== 'message').map((e) => ({ type: e.type, payload: { ...e.payload, eventId: e.eventId }, eventId: e.eventId })),
      eventId: this.batchEnd, more: all.length > some.length,
    })
  }

  private message(e: LogEntry): Record<string, unknown> {
    return this.server.wire(this.server.messages.find((m) => m.id === e.messageId)!, this.userId)
  }

  private showNow(e: LogEntry): void {
    if (e.type === 'message') this.push('message', { ...this.message(e), eventId: e.eventId })
    else this.push(e.type, { ...e.payload, eventId: e.eventId })
  }

  private push(type: string, payload: unknown): void {
    if (!this.over) this.socket.push({ type, payload })
  }
}
