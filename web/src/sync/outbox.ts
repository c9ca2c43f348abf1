import { dedupKey, type OutboxRecord } from '../db'
import type { ClientFrame, ServerFrame } from '../protocol'
import { ClientError, errorCode, fullJitter, type ErrorCode } from '../transport'
import type { OutgoingMessage } from './api'
import { serverNow, tell, type Core } from './core'
import type { Uploads } from './uploads'

/** Tries before a message counts as failed; and how long an answer may take, in ms. */
const maxTries = 3
const answerWithin = 10_000
const retryBounds = { min: 500, max: 8000 }
/** The server's rate limit is no failure, but it isn't waited for for ever. */
const maxRateWaits = 30

type ErrorPayload = Extract<ServerFrame, { type: 'error' }>['payload']

interface Flight {
  clientMessageId: string
  timer: unknown
  /** A try that waits for its time, or for its upload, rather than for an answer. */
  waiting: boolean
}

interface Waiter {
  resolve(id: string): void
  reject(error: Error): void
}

/**
 * Outgoing messages. Each is in the storage before anything else happens to it and leaves it when the server's copy is
 * stored, so it survives a reload, a closed tab and days without a network. Of one conversation one message is on its way
 * at a time: they arrive in the order they were written, whatever fails. Only the leading tab sends.
 */
export class Outbox {
  private readonly core: Core
  private readonly send: (frame: ClientFrame) => boolean
  private readonly uploads: Uploads
  /** By conversation. */
  private flights = new Map<string, Flight>()
  private rateWaits = new Map<string, number>()
  /** Failed, but not for long. */
  private retrying = new Set<string>()
  private waiters = new Map<string, Waiter[]>()
  /** Never written to any connection; all others may have reached the server, and the next try says so. */
  private fresh = new Set<string>()
  private nextSeq = 0
  private sending = false
  private connected = false

  constructor(core: Core, send: (frame: ClientFrame) => boolean, uploads: Uploads) {
    this.core = core
    this.send = send
    this.uploads = uploads
    core.state.refreshed.on((change) => {
      if (!change.outbox) return
      this.clearLanded()
      this.kick()
    })
  }

  /** Whether this tab sends. */
  lead(leading: boolean): void {
    // What another tab sent, or began to, this one can't know.
    if (leading && !this.sending) this.fresh.clear()
    this.sending = leading
    if (leading) this.kick()
    else this.disconnected()
  }

  /** The server has welcomed a new connection. */
  welcomed(): void {
    this.connected = true
    this.kick()
  }

  disconnected(): void {
    this.connected = false
    for (const [conversation, flight] of this.flights) {
      if (flight.waiting) continue
      this.core.clock.clearTimeout(flight.timer)
      this.flights.delete(conversation)
    }
  }

  stop(): void {
    this.disconnected()
    for (const flight of this.flights.values()) this.core.clock.clearTimeout(flight.timer)
    this.flights.clear()
    this.uploads.stopAll()
    for (const list of this.waiters.values()) for (const w of list) w.reject(new ClientError('CANCELLED', 'the client was closed'))
    this.waiters.clear()
  }

  isOnWire(clientMessageId: string): boolean {
    for (const f of this.flights.values()) if (f.clientMessageId === clientMessageId) return !f.waiting || !this.fresh.has(clientMessageId)
    return false
  }

  async add(conversationId: string, message: OutgoingMessage & { clientMessageId?: string }): Promise<string> {
    const clientMessageId = message.clientMessageId ?? this.core.makeId()
    const now = serverNow(this.core)
    this.nextSeq = Math.max(this.nextSeq + 1, now, (this.core.state.outbox.at(-1)?.seq ?? 0) + 1)
    const { media } = message
    const record: OutboxRecord = {
      clientMessageId, conversationId, seq: this.nextSeq, content: message.content,
      contentType: message.contentType ?? (media ? contentTypeOf(media.type) : 'text'),
      paused: false, createdAtMs: now, state: 'pending', attempts: 0, written: false,
      ...(message.replyTo === undefined ? {} : { replyToId: message.replyTo }),
      ...(message.mediaId === undefined ? {} : { mediaId: message.mediaId }),
      ...(media ? { file: { name: media.name ?? 'file', size: media.size, contentType: media.type || 'application/octet-stream' } } : {}),
    }
    if (media) this.uploads.keep(clientMessageId, media)
    if (this.sending) this.fresh.add(clientMessageId)
    this.core.state.addUnsaved(record)
    tell(this.core, { kind: 'message', step: 'queued', conversationId, clientMessageId })
    try {
      await this.core.state.write(async (tx, change) => {
        // A bot that names its answers may come with one that was sent before.
        const key = dedupKey(this.core.session.get().user?.id ?? '', clientMessageId)
        if (key !== undefined && await tx.messages.byDedup(key)) return
        await tx.outbox.put(record)
        if (media) await tx.blobs.put(clientMessageId, media)
        change.outbox = true
        change.conversation(conversationId)
      })
      await this.core.state.current()
    } finally {
      this.core.state.dropUnsaved(clientMessageId)
    }
    return clientMessageId
  }

  /** Resolves when the message is stored by the server. */
  outcome(clientMessageId: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const list = this.waiters.get(clientMessageId) ?? []
      list.push({ resolve, reject })
      this.waiters.set(clientMessageId, list)
      const record = this.core.state.outbox.find((r) => r.clientMessageId === clientMessageId)
      if (record?.state !== 'failed' || this.retrying.has(clientMessageId)) return
      this.settleWaiters(clientMessageId, new ClientError((record.error?.code ?? 'INTERNAL') as ErrorCode, record.error?.message ?? 'failed'))
    })
  }

  async retry(clientMessageId: string): Promise<void> {
    this.rateWaits.delete(clientMessageId)
    this.retrying.add(clientMessageId)
    try {
      await this.change(clientMessageId, ({ error: _error, ...r }) => ({ ...r, state: 'pending', attempts: 0, paused: false }))
      await this.core.state.current()
    } finally {
      this.retrying.delete(clientMessageId)
    }
  }

  async discard(clientMessageId: string): Promise<void> {
    await this.core.state.write(async (tx, change) => {
      const record = await tx.outbox.get(clientMessageId)
      if (!record) return
      await tx.outbox.delete(clientMessageId)
      await tx.blobs.delete(clientMessageId)
      change.outbox = true
      change.conversation(record.conversationId)
    })
    this.uploads.forget(clientMessageId)
    void this.land(clientMessageId)
    this.settleWaiters(clientMessageId, new ClientError('CANCELLED', 'discarded'))
  }

  /** Stops an upload; the message waits as failed. */
  async pause(clientMessageId: string): Promise<void> {
    // Noted before it ends: a message whose upload ended without a word would be sent from the beginning.
    await this.change(clientMessageId, (r) => ({ ...r, paused: true, state: 'failed', error: { code: 'CANCELLED', message: 'the upload was cancelled' } }))
    await this.core.state.current()
    this.uploads.cancel(clientMessageId)
    void this.land(clientMessageId)
  }

  /** The server has stored a message, and the cache as well. */
  settled(clientMessageId: string): void {
    this.fresh.delete(clientMessageId)
    this.rateWaits.delete(clientMessageId)
    void this.land(clientMessageId)
    this.uploads.forget(clientMessageId)
    this.settleWaiters(clientMessageId)
  }

  /** false: the error is about no message of ours. */
  refused(error: ErrorPayload): boolean {
    const id = error.clientMessageId
    const flight = id === undefined ? undefined : [...this.flights.values()].find((f) => f.clientMessageId === id)
    if (id === undefined || !flight) return false
    // A late answer to a try that was given up: the next one waits for its time already.
    if (flight.waiting) return true
    void this.failedTry(id, new ClientError(errorCode(error.code), error.message, error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }))
    return true
  }

  /** Sends what can be sent. */
  kick(): void {
    if (!this.sending) return
    const seen = new Set<string>()
    for (const record of this.core.state.saved) {
      if (record.state === 'failed') continue
      if (seen.has(record.conversationId)) continue
      seen.add(record.conversationId)
      if (this.flights.has(record.conversationId)) continue
      if (!this.connected) continue
      if (record.file && record.mediaId === undefined) this.upload(record)
      else this.transmit(record)
    }
  }

  private upload(record: OutboxRecord): void {
    const id = record.clientMessageId
    const flight: Flight = { clientMessageId: id, timer: undefined, waiting: true }
    this.flights.set(record.conversationId, flight)
    // Of one that was stopped the end may come when the next is under way already.
    const ours = () => this.flights.get(record.conversationId) === flight
    this.uploads.run(record).then(
      () => { if (ours()) void this.land(id) },
      (error: ClientError) => {
        if (!ours()) return
        if (error.code === 'CANCELLED') void this.land(id)
        else void this.failedTry(id, error)
      },
    )
  }

  private transmit(record: OutboxRecord): void {
    const { clientMessageId, conversationId } = record
    const resend = record.written || record.attempts > 0 || !this.fresh.has(clientMessageId)
    const flight: Flight = { clientMessageId, waiting: false, timer: undefined }
    const written = this.send({
      type: 'message',
      payload: {
        conversationId, clientMessageId, content: record.content, contentType: record.contentType,
        ...(record.mediaId === undefined ? {} : { mediaId: record.mediaId }),
        ...(record.replyToId === undefined ? {} : { replyToId: record.replyToId }),
        ...(resend ? { resend: true } : {}),
      },
    })
    if (!written) return
    this.fresh.delete(clientMessageId)
    flight.timer = this.core.clock.setTimeout(() => void this.failedTry(clientMessageId, new ClientError('UNAVAILABLE', 'the server did not answer')), answerWithin)
    this.flights.set(conversationId, flight)
    tell(this.core, { kind: 'message', step: 'written', conversationId, clientMessageId })
  }

  private async failedTry(clientMessageId: string, error: ClientError): Promise<void> {
    const record = this.core.state.outbox.find((r) => r.clientMessageId === clientMessageId)
    const flight = record && this.flights.get(record.conversationId)
    if (!record) return this.land(clientMessageId)
    if (flight?.clientMessageId !== clientMessageId) return
    this.core.clock.clearTimeout(flight.timer)
    const waits = this.rateWaits.get(clientMessageId) ?? 0
    // Neither a rate limit nor a lost network says anything about the message.
    const free = error.code === 'OFFLINE' || (error.code === 'RATE_LIMITED' && waits < maxRateWaits)
    const attempts = record.attempts + (free ? 0 : 1)
    if (error.code === 'RATE_LIMITED') this.rateWaits.set(clientMessageId, waits + 1)
    if (!error.retryable || attempts >= maxTries) {
      await this.change(clientMessageId, (r) => ({ ...r, state: 'failed', attempts, written: true, error: { code: error.code, message: error.message } }))
      void this.land(clientMessageId)
      tell(this.core, { kind: 'message', step: 'failed', conversationId: record.conversationId, clientMessageId })
      this.settleWaiters(clientMessageId, error)
      return
    }
    flight.waiting = true
    const wait = Math.max(error.retryAfterMs ?? 0, fullJitter(retryBounds, record.attempts, this.core.random))
    flight.timer = this.core.clock.setTimeout(() => void this.land(clientMessageId), wait)
    if (!free) await this.change(clientMessageId, (r) => ({ ...r, attempts, written: true }))
  }

  /** What left the outbox, here or in another tab, isn't under way any more. */
  private clearLanded(): void {
    const waiting = new Set(this.core.state.outbox.map((r) => r.clientMessageId))
    for (const [conversation, flight] of this.flights) {
      if (waiting.has(flight.clientMessageId)) continue
      this.core.clock.clearTimeout(flight.timer)
      this.flights.delete(conversation)
    }
  }

  /** Its conversation is free for the next try, or the next message; when the outbox was read again, not before. */
  private async land(clientMessageId: string): Promise<void> {
    await this.core.state.current()
    for (const [conversation, flight] of this.flights) {
      if (flight.clientMessageId !== clientMessageId) continue
      this.core.clock.clearTimeout(flight.timer)
      this.flights.delete(conversation)
    }
    this.kick()
  }

  private async change(clientMessageId: string, edit: (r: OutboxRecord) => OutboxRecord): Promise<void> {
    await this.core.state.write(async (tx, change) => {
      const record = await tx.outbox.get(clientMessageId)
      if (!record) return
      await tx.outbox.put(edit(record))
      change.outbox = true
      change.conversation(record.conversationId)
    })
  }

  private settleWaiters(clientMessageId: string, error?: Error): void {
    const list = this.waiters.get(clientMessageId) ?? []
    this.waiters.delete(clientMessageId)
    for (const w of list) {
      if (error) w.reject(error)
      else w.resolve(clientMessageId)
    }
  }
}

function contentTypeOf(mime: string): OutboxRecord['contentType'] {
  if (mime.startsWith('image/')) return 'image'
  return mime.startsWith('video/') ? 'video' : 'file'
}
