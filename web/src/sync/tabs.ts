import type { PlainChange } from './changes'
import type { ConnectionState } from './api'
import type { ServerFrame } from '../protocol'
import { Signal } from './live'

export type TabCommand = 'typing' | 'reads' | 'pause' | 'reconnect' | 'offline' | 'online' | 'kill'

export type TabMessage =
  | { kind: 'change'; change: PlainChange }
  /** A tab has come and wants to know how things are. */
  | { kind: 'hello' }
  | { kind: 'state'; connection: ConnectionState; skew: number; syncedUpTo: string | null }
  | { kind: 'frame'; frame: Extract<ServerFrame, { type: 'typing' | 'presence' }> }
  | { kind: 'interest'; tab: string; ids: string[] }
  | { kind: 'command'; name: TabCommand; args: unknown[] }

export interface Channel {
  postMessage(message: TabMessage): void
  onmessage: ((event: never) => void) | null
  close(): void
}

export interface TabOptions {
  /** Tabs with one name share one storage. */
  name: string
  id: string
  /** null: there are no other tabs, and this one leads. */
  locks: Pick<LockManager, 'request'> | null
  channel: Channel | null
  mayLead: boolean
}

/**
 * The tabs of one storage. One leads: it holds a Web Lock, which the browser gives to the next when the tab is closed or
 * crashes, and with the lock it owns the socket. The others see what it stored, and ask it for what only a socket can do.
 */
export class Tabs {
  readonly id: string
  leading = false
  readonly led = new Signal<[]>()
  readonly message = new Signal<[TabMessage]>()
  private readonly o: TabOptions
  private release: (() => void) | undefined
  private readonly giveUp = new AbortController()

  constructor(options: TabOptions) {
    this.o = options
    this.id = options.id
  }

  start(): void {
    const { channel, locks, mayLead, name } = this.o
    if (channel) {
      channel.onmessage = (event: { data: TabMessage }) => this.message.emit(event.data)
      this.post({ kind: 'hello' })
    }
    if (!mayLead) return
    if (!locks) return this.lead()
    locks.request(`murre-leader-${name}`, { signal: this.giveUp.signal }, () => new Promise<void>((resolve) => {
      if (this.giveUp.signal.aborted) return resolve()
      this.release = resolve
      this.lead()
    })).catch(() => undefined) // given up while waiting
  }

  post(message: TabMessage): void {
    this.o.channel?.postMessage(message)
  }

  stop(): void {
    this.leading = false
    this.giveUp.abort()
    this.release?.()
    if (!this.o.channel) return
    this.o.channel.onmessage = null
    this.o.channel.close()
  }

  private lead(): void {
    this.leading = true
    this.led.emit()
  }
}
