import type { WebSocketLike } from '../../transport'
import type { SimClock } from '../../transport/sim-clock'

export interface ServerEnd {
  receive(text: string): void
  closed(): void
}

/** A connection under test: frames of one direction arrive in order, each after a while, or never once it is cut. */
export class SimSocket implements WebSocketLike {
  readyState = 0
  onopen: ((event: never) => void) | null = null
  onmessage: ((event: never) => void) | null = null
  onclose: ((event: never) => void) | null = null
  onerror: ((event: never) => void) | null = null
  private server: ServerEnd | undefined
  private readonly clock: SimClock
  private readonly random: () => number
  private toServerAt = 0
  private toClientAt = 0
  private cutServer = false
  private cutClient = false

  constructor(clock: SimClock, random: () => number, accept: (socket: SimSocket) => ServerEnd | undefined) {
    this.clock = clock
    this.random = random
    this.clock.setTimeout(() => {
      if (this.cutClient) return
      this.server = accept(this)
      if (!this.server) return this.closeClient(1006)
      this.readyState = 1
      this.onopen?.({} as never)
    }, this.latency())
  }

  /** The client's side. */
  send(data: string): void {
    if (this.readyState !== 1) throw new Error('the socket is not open')
    this.toServerAt = Math.max(this.toServerAt, this.clock.now() + this.latency())
    this.clock.setTimeout(() => {
      if (!this.cutServer) this.server?.receive(data)
    }, this.toServerAt - this.clock.now())
  }

  close(): void {
    this.readyState = 3
    this.cutClient = true
    this.closeServer(this.latency())
  }

  /** The server's side. */
  push(frame: unknown): void {
    this.toClientAt = Math.max(this.toClientAt, this.clock.now() + this.latency())
    this.clock.setTimeout(() => {
      if (!this.cutClient) this.onmessage?.({ data: JSON.stringify(frame) } as never)
    }, this.toClientAt - this.clock.now())
  }

  /** Ends the connection; each side hears of it in its own time, and what was under way may or may not arrive. */
  cut(code = 1006): void {
    if (this.random() < 0.5) this.cutServer = true
    if (this.random() < 0.5) {
      this.cutClient = true
      this.readyState = 3
    }
    this.clock.setTimeout(() => this.closeClient(code), this.latency() * 20)
    this.closeServer(this.latency() * 20)
  }

  private closeClient(code: number): void {
    if (this.readyState === 4) return
    this.readyState = 4
    this.cutClient = true
    this.onclose?.({ code, reason: '' } as never)
  }

  private closeServer(after: number): void {
    this.clock.setTimeout(() => {
      const end = this.server
      this.cutServer = true
      this.server = undefined
      end?.closed()
    }, after)
  }

  private latency(): number {
    return 1 + this.random() * 40
  }
}
