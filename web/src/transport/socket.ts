import { closeCodes, decodeFrame, encodeFrame, type ClientFrame, type ServerFrame } from '../protocol'
import { afterDrain, fullJitter, reconnectBounds } from './backoff'
import type { Clock } from './clock'

/** As much of the standard's WebSocket as the client uses. */
export interface WebSocketLike {
  readonly readyState: number
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  send(data: string): void
  close(code?: number, reason?: string): void
}
export type WebSocketConstructor = new (url: string, protocols?: string[]) => WebSocketLike

export type Refusal = 'signed-out' | 'expired' | 'too-many-devices' | 'forbidden' | 'protocol'

export type SocketState =
  | { state: 'offline'; attempts: number; nextRetryAtMs?: number }
  | { state: 'connecting'; attempts: number }
  /** Open; the server's welcome may still be on its way. */
  | { state: 'open' }
  | { state: 'draining'; afterMs: number; nextRetryAtMs: number }
  | { state: 'replaced' }
  | { state: 'refused'; reason: Refusal; message: string }

export interface SocketOptions {
  /** Asked before each try: a token or a device may have changed. */
  address(): { url: string; protocols: string[] }
  WebSocket: WebSocketConstructor
  clock: Clock
  random: () => number
  onFrame(frame: ServerFrame, bytes: number, text: string): void
  onState(state: SocketState): void
  onWritten?(frame: ClientFrame, bytes: number): void
  /**
   * Why an upgrade failed, which a browser isn't told: a REST call finds out. undefined: nothing that coming back
   * later wouldn't mend.
   */
  whyRefused(): Promise<{ reason: Refusal; message: string } | undefined>
}

/** Silence after which we ask whether anybody is there, how long we wait for the answer, and for the welcome; in ms. */
const pingAfter = 25_000
const answerWithin = 10_000
const openWithin = 10_000
/** A connection that lasted so long was a good one: the next backoff starts anew. */
const steadyAfter = 10_000
const afterReplaced = 4001
const afterSignOut = 4002
const afterExpiry = 4003

/** One WebSocket that comes back by itself, except where the protocol forbids it. */
export class Socket {
  private readonly o: SocketOptions
  private ws: WebSocketLike | undefined
  private attempts = 0
  private wanted = false
  private openedAt: number | undefined
  private retry: unknown
  private watch: unknown
  private awaitingAnswer = false

  constructor(options: SocketOptions) {
    this.o = options
  }

  /** Connects and stays connected until stop. */
  start(): void {
    if (this.wanted) return
    this.wanted = true
    this.attempts = 0
    this.connect()
  }

  /** Closes and stays away. */
  stop(): void {
    this.wanted = false
    this.clearTimers()
    this.drop(1000)
    this.o.onState({ state: 'offline', attempts: 0 })
  }

  /** Tries now, whatever the backoff or an earlier refusal says. */
  reconnect(): void {
    this.wanted = true
    if (this.open) return
    this.clearTimers()
    this.drop()
    this.attempts = 0
    this.connect()
  }

  /** Ends the connection as a broken network would. */
  kill(): void {
    if (!this.ws) return
    this.drop()
    this.lost()
  }

  get open(): boolean {
    return this.ws !== undefined && this.openedAt !== undefined
  }

  /** false: there is no connection, nothing was sent. */
  send(frame: ClientFrame): boolean {
    if (!this.ws || !this.open || this.ws.readyState !== 1) return false
    const text = encodeFrame(frame)
    this.ws.send(text)
    this.o.onWritten?.(frame, text.length)
    return true
  }

  private connect(): void {
    const { url, protocols } = this.o.address()
    this.o.onState({ state: 'connecting', attempts: this.attempts })
    let ws: WebSocketLike
    try {
      ws = new this.o.WebSocket(url, protocols)
    } catch {
      this.lost()
      return
    }
    this.ws = ws
    this.openedAt = undefined
    // Handlers look whether they still belong to the current socket: a dropped one may have events under way.
    ws.onopen = () => {
      if (this.ws !== ws) return
      this.openedAt = this.o.clock.now()
      this.heard()
      this.o.onState({ state: 'open' })
    }
    ws.onmessage = (event: { data: unknown }) => {
      if (this.ws !== ws || typeof event.data !== 'string') return
      this.heard()
      this.receive(event.data)
    }
    ws.onclose = (event: { code: number; reason: string }) => {
      if (this.ws === ws) void this.closed(event.code, event.reason)
    }
    ws.onerror = () => undefined // a close follows
    this.arm(openWithin, () => this.kill())
  }

  private receive(text: string): void {
    const frame = decodeFrame(text)
    if (!frame) return
    if (frame.type === 'reconnect') {
      this.o.onFrame(frame, text.length, text)
      this.drained(Math.max(0, frame.payload.afterMs))
      return
    }
    this.o.onFrame(frame, text.length, text)
  }

  /** Any sign of life: the watch starts anew. */
  private heard(): void {
    this.awaitingAnswer = false
    this.arm(pingAfter, () => this.ask())
  }

  private ask(): void {
    if (this.awaitingAnswer) return
    this.awaitingAnswer = true
    this.send({ type: 'ping' })
    this.arm(answerWithin, () => this.kill())
  }

  /** Asks at once whether the connection still lives: after sleep, or when a tab is shown again. */
  check(): void {
    if (this.open) this.ask()
    else if (this.wanted && this.retry !== undefined) this.reconnect()
  }

  private arm(ms: number, run: () => void): void {
    this.o.clock.clearTimeout(this.watch)
    this.watch = this.o.clock.setTimeout(run, ms)
  }

  private clearTimers(): void {
    this.o.clock.clearTimeout(this.watch)
    this.o.clock.clearTimeout(this.retry)
    this.retry = undefined
  }

  private drop(code?: number): void {
    const ws = this.ws
    this.ws = undefined
    this.openedAt = undefined
    this.awaitingAnswer = false
    this.o.clock.clearTimeout(this.watch)
    if (!ws) return
    ws.onopen = ws.onmessage = ws.onclose = null
    try {
      ws.close(code)
    } catch {
      // A socket that never opened may refuse; it is gone all the same.
    }
  }

  private async closed(code: number, reason: string): Promise<void> {
    const wasOpen = this.openedAt !== undefined
    if (this.openedAt !== undefined && this.o.clock.now() - this.openedAt >= steadyAfter) this.attempts = 0
    this.drop()
    if (!this.wanted) return
    if (code === afterReplaced) return this.end({ state: 'replaced' })
    if (code === afterSignOut) return this.end({ state: 'refused', reason: 'signed-out', message: reason })
    if (code === afterExpiry) return this.end({ state: 'refused', reason: 'expired', message: reason })
    if (closeCodes[code]?.reconnect === false) return this.end({ state: 'refused', reason: 'protocol', message: reason })
    if (!wasOpen) {
      const attempt = this.attempts
      this.o.onState({ state: 'offline', attempts: attempt + 1 })
      const refusal = await this.o.whyRefused().catch(() => undefined)
      if (!this.wanted || this.ws || this.attempts !== attempt) return // somebody else decided meanwhile
      if (refusal) return this.end({ state: 'refused', ...refusal })
    }
    this.lost()
  }

  private end(state: SocketState): void {
    this.wanted = false
    this.clearTimers()
    this.o.onState(state)
  }

  private lost(): void {
    if (!this.wanted) return
    const wait = fullJitter(reconnectBounds, this.attempts, this.o.random)
    this.attempts++
    this.comeBack(wait)
    this.o.onState({ state: 'offline', attempts: this.attempts, nextRetryAtMs: this.o.clock.now() + wait })
  }

  private drained(afterMs: number): void {
    this.drop(1000)
    if (!this.wanted) return
    const wait = afterDrain(afterMs, this.o.random)
    this.attempts = 0
    this.comeBack(wait)
    this.o.onState({ state: 'draining', afterMs, nextRetryAtMs: this.o.clock.now() + wait })
  }

  private comeBack(wait: number): void {
    this.clearTimers()
    this.retry = this.o.clock.setTimeout(() => {
      this.retry = undefined
      if (this.wanted && !this.ws) this.connect()
    }, wait)
  }
}
