import { MemoryStorage } from '../../db'
import { rest } from '../../transport/sim-clock'
import type { ClientOptions, MurreClient } from '../api'
import { createClient } from '../client'
import { SimSocket } from './network'
import { modelFetch } from './rest'
import type { ModelServer } from './server'

export const users = ['aaaaaaaa-0000-7000-8000-000000000001', 'bbbbbbbb-0000-7000-8000-000000000002']
export const conversationId = 'cccccccc-0000-7000-8000-000000000003'

/** One device: its storage outlives its client, as a tab's does. */
export class Phone {
  client!: MurreClient
  socket: SimSocket | undefined
  reachable = true
  readonly storage: MemoryStorage
  readonly frames: { type: string; payload: Record<string, unknown> }[] = []
  readonly heard: string[] = []
  readonly userId: string
  private readonly server: ModelServer
  readonly device: string
  /** It missed more than the log remembers: what came then is found in the history, not heard. */
  missed = false

  private readonly options: ClientOptions

  constructor(server: ModelServer, userId: string, device: string, options: ClientOptions & { storage?: MemoryStorage } = {}) {
    this.storage = options.storage ?? new MemoryStorage()
    this.options = options
    this.server = server
    this.userId = userId
    this.device = device
    this.start()
  }

  start(): void {
    // The client's socket class and fetch must reach the phone they belong to.
    const { server, userId, device } = this
    const connected = (socket: SimSocket) => {
      this.socket = socket
      return this.reachable ? server.accept(socket, userId, device) : undefined
    }
    this.client = createClient({
      url: 'http://model', token: userId, device, clock: server.clock, random: server.random,
      fetch: modelFetch(server, () => this.reachable), locks: null, ...this.options, storage: this.storage,
      WebSocket: class extends SimSocket {
        constructor() {
          super(server.clock, server.random, connected)
        }
      },
    })
    this.client.onEvent((e) => {
      if (e.kind === 'frame' && e.direction === 'out') this.frames.push({ type: e.type, payload: e.payload as Record<string, unknown> })
    })
    this.client.messages.onMessage((m) => this.heard.push(m.id!))
  }

  async reload(): Promise<void> {
    const old = this.client
    void old.close()
    await rest()
    this.start()
    await this.client.ready
  }
}
