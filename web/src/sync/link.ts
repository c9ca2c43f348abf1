import type { ClientFrame } from '../protocol'
import { Socket, type Clock, type Refusal, type SocketState, type WebSocketConstructor } from '../transport'
import { Acks } from './acks'
import type { Applied, Applier } from './apply'
import type { ConnectionState } from './api'
import { count, tell, type Core } from './core'
import { Receiver, type ReceiverEvents } from './receive'

export interface LinkOptions {
  core: Core
  clock: Clock
  applier: Applier
  address(): { url: string; protocols: string[] }
  WebSocket: WebSocketConstructor
  whyRefused(): Promise<{ reason: Refusal; message: string } | undefined>
  on: Omit<ReceiverEvents, 'welcome' | 'synced' | 'failed'> & {
    welcome(first: boolean): void
    /** Caught up, once a connection. first: the device's first connection ever. */
    caughtUp(first: boolean): void
    disconnected(): void
    refused(reason: Refusal): void
    applied(applied: Applied): void
  }
}

/** The connection of the leading tab: socket, receiver, and the state that the banner shows. */
export class Link {
  private readonly o: LinkOptions
  private readonly socket: Socket
  readonly receiver: Receiver
  private stateNow: ConnectionState = { state: 'offline', manual: false, attempts: 0 }
  private welcomed = false
  private everWelcomed = false
  private firstEver = false
  private synced = false

  constructor(options: LinkOptions) {
    this.o = options
    const { core, clock } = options
    this.socket = new Socket({
      address: () => options.address(), WebSocket: options.WebSocket, clock, random: core.random,
      whyRefused: () => options.whyRefused(),
      onFrame: (frame, bytes, text) => {
        if (core.events.watched) tell(core, { kind: 'frame', direction: 'in', type: frame.type === 'unknown' ? frame.name : frame.type, payload: payloadOf(text), bytes })
        this.receiver.take(frame)
      },
      onWritten: (frame, bytes) => tell(core, { kind: 'frame', direction: 'out', type: frame.type, payload: frame.payload, bytes }),
      onState: (state) => this.onState(state),
    })
    const acks = new Acks(clock, (frame) => this.acknowledge(frame))
    this.receiver = new Receiver(core, options.applier, acks, {
      ...options.on,
      welcome: (_payload, first) => this.onWelcome(first),
      synced: () => this.onSynced(),
      failed: () => this.socket.kill(),
    })
  }

  start = () => this.socket.start()
  reconnect = () => this.socket.reconnect()
  kill = () => this.socket.kill()
  check = () => this.socket.check()

  /** keepRefusal: the server's last word stays on show. */
  stop(keepRefusal = false): void {
    if (keepRefusal && this.stateNow.state === 'refused') return
    if (this.socket.open) this.receiver.acks.flush()
    this.socket.stop()
  }

  /** false: not connected, or not yet welcomed. */
  send = (frame: ClientFrame): boolean => this.welcomed && this.socket.send(frame)

  private acknowledge(frame: ClientFrame): boolean {
    const sent = this.socket.send(frame)
    const ids = frame.type === 'ack' ? frame.payload?.messageIds ?? [] : []
    if (sent) for (const messageId of ids) tell(this.o.core, { kind: 'message', step: 'acked', conversationId: '', messageId })
    return sent
  }

  private onState(s: SocketState): void {
    if (s.state !== 'open' && this.welcomed) {
      this.welcomed = false
      this.o.on.disconnected()
    }
    switch (s.state) {
      case 'connecting': return this.show(s)
      case 'open':
        this.receiver.connected()
        this.synced = false
        return
      case 'offline': return this.show({ state: 'offline', manual: false, attempts: s.attempts, ...(s.nextRetryAtMs === undefined ? {} : { nextRetryAtMs: s.nextRetryAtMs }) })
      case 'refused':
        this.show(s)
        return this.o.on.refused(s.reason)
      default: return this.show(s)
    }
  }

  private onWelcome(first: boolean): void {
    if (!this.socket.open) return // it was queued behind what took long, and the connection is gone
    this.welcomed = true
    this.firstEver ||= first
    if (this.everWelcomed) count(this.o.core, { reconnects: 1 })
    this.everWelcomed = true
    this.show({ state: 'catching-up' })
    this.o.on.welcome(first)
  }

  private onSynced(): void {
    if (this.synced || !this.welcomed) return
    this.synced = true
    this.show({ state: 'live', sinceMs: this.o.clock.now() })
    this.o.on.caughtUp(this.firstEver)
    this.firstEver = false
  }

  private show(state: ConnectionState): void {
    this.stateNow = state
    this.o.core.connection.set(state)
    tell(this.o.core, { kind: 'connection', state })
  }

  get state(): ConnectionState {
    return this.stateNow
  }
}

function payloadOf(text: string): unknown {
  return (JSON.parse(text) as { payload?: unknown }).payload
}
