import { IndexedDbStorage, keepWithin, MemoryStorage, type Storage } from '../db'
import { secureRandom, uuidMaker } from '../protocol'
import { asClientError, Endpoints, fullJitter, pause, reconnectBounds, Rest, systemClock, type Refusal, type WebSocketConstructor } from '../transport'
import type { ClientOptions, ConnectionApi, MurreClient, SessionSnapshot } from './api'
import { Applier, type Applied } from './apply'
import { ChangeSet } from './changes'
import { Conversations } from './conversations'
import { noStats, type Core } from './core'
import { History } from './history'
import { Link } from './link'
import { Cell, Signal } from './live'
import { MediaFiles } from './media'
import { Messages } from './messages'
import { Outbox } from './outbox'
import { Presence } from './presence'
import { Repair } from './repair'
import { Sessions } from './session'
import { State } from './state'
import { Tabs, type Channel, type TabCommand, type TabMessage } from './tabs'
import { Typing } from './typing'
import { Uploads } from './uploads'
import { Users } from './users'

const defaultCacheLimit = 100_000
/** The cache's size is looked at so often, in messages received. */
const evictEvery = 1000
/** Peers of the newest direct conversations, whose presence the list shows. */
const listedPeers = 60

/** Makes a client. It opens its storage at once, and connects when somebody is signed in. */
export function createClient(options: ClientOptions = {}): MurreClient {
  return new Client(options)
}

class Client implements MurreClient {
  readonly ready: Promise<void>
  readonly session: Sessions
  readonly connection: ConnectionApi
  readonly conversations: Conversations
  readonly messages: Messages
  readonly media: MediaFiles
  readonly users: Users
  readonly presence: Presence
  readonly onEvent
  readonly stats
  private readonly core: Core
  private readonly tabs: Tabs
  private readonly link: Link
  private readonly outbox: Outbox
  private readonly typing: Typing
  private readonly repair: Repair
  private readonly cacheLimit: number
  private manualOffline = false
  private receivedSinceEviction = 0
  private peers = new Map<string, () => void>()
  private listeners: (() => void)[] = []
  private closed = false
  private syncedBefore: string | null = null
  private lastUserId: string | undefined

  constructor(o: ClientOptions) {
    const page = typeof document === 'undefined' ? undefined : document
    const cookies = (o.auth ?? (o.token === undefined && page ? 'cookie' : 'token')) === 'cookie'
    const clock = o.clock ?? systemClock
    const random = o.random ?? secureRandom
    const base = (o.url ?? '').replace(/\/+$/, '')
    const place = storageOf(o)
    const state = new State(place.storage)
    const rest = new Rest({
      base, fetch: o.fetch ?? ((input, init) => globalThis.fetch(input, init)), clock, random, cookies,
      token: () => this.session.token, online: () => !this.manualOffline, onUnauthenticated: () => void this.session.expire(),
    })
    const makeId = uuidMaker(() => clock.now() + this.core.skew, random)
    const core: Core = {
      clock, random, makeId, state, api: new Endpoints(rest), skew: 0, syncedUpTo: null, logSince: 0, logFrom: '', events: new Signal(),
      session: new Cell<SessionSnapshot>({ state: 'starting', user: null, deviceId: null }),
      connection: new Cell({ state: 'offline', manual: false, attempts: 0 }), stats: new Cell(noStats),
    }
    this.core = core
    this.cacheLimit = o.cacheLimit ?? defaultCacheLimit
    this.onEvent = core.events.on
    this.stats = core.stats
    const applier = new Applier(core)
    const history = new History(core, applier)
    const uploads = new Uploads(core)
    this.outbox = new Outbox(core, (frame) => this.link.send(frame), uploads)
    this.typing = new Typing(core, (frame) => this.link.send(frame))
    this.presence = new Presence(core, (frame) => this.link.send(frame))
    this.media = new MediaFiles({
      core, cookies,
      cancel: (id) => this.command('pause', [id]),
      resume: (id) => void this.outbox.retry(id),
    })
    this.users = new Users(core)
    this.session = new Sessions({ core, media: this.media, cookies, device: o.device, token: o.token, changed: () => this.sessionChanged() })
    this.conversations = new Conversations({
      core, applier, typing: this.typing, presence: this.presence, media: this.media, send: (frame) => this.link.send(frame),
      toLeader: (name, args) => !this.tabs.leading && (this.tabs.post({ kind: 'command', name, args }), true),
    })
    this.messages = new Messages({ core, applier, history, outbox: this.outbox, uploads, conversations: this.conversations })
    this.repair = new Repair(core, { conversations: this.conversations, history, messages: this.messages, applied: (a) => this.applied(a) })
    this.link = new Link({
      core, clock, applier, address: () => address(base, cookies ? undefined : this.session.token, core.session.get().deviceId),
      WebSocket: o.WebSocket ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket ?? missingWebSocket(),
      whyRefused: () => this.whyRefused(),
      on: {
        welcome: () => this.welcomed(),
        caughtUp: (first) => {
          void this.repair.run(this.syncedBefore, first).then(() => (this.syncedBefore = core.syncedUpTo))
          this.evict()
        },
        disconnected: () => this.disconnected(),
        refused: (reason) => {
          if (reason === 'signed-out' || reason === 'expired') void this.session.expire()
        },
        applied: (applied) => this.applied(applied),
        gap: () => void this.conversations.refresh().catch(() => undefined),
        typing: (payload) => {
          this.typing.take(payload)
          this.tabs.post({ kind: 'frame', frame: { type: 'typing', payload } })
        },
        presence: (payload) => {
          this.presence.take(payload)
          this.tabs.post({ kind: 'frame', frame: { type: 'presence', payload } })
        },
        error: (payload) => void this.outbox.refused(payload),
      },
    })
    this.tabs = new Tabs({
      name: place.name, id: makeId(), mayLead: o.leader ?? true,
      locks: place.shared ? (o.locks === undefined ? browserLocks() : o.locks) : null,
      channel: place.shared ? browserChannel(place.name) : null,
    })
    this.connection = this.connectionApi()
    this.wire()
    this.ready = this.start()
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    for (const stop of [...this.listeners, ...this.peers.values()]) stop()
    this.link.stop()
    await this.link.receiver.idle()
    this.outbox.stop()
    this.presence.stop()
    this.typing.reset()
    this.tabs.stop()
    await this.core.state.close()
    this.core.state.storage.close()
  }

  private async start(): Promise<void> {
    const { core } = this
    await core.state.open()
    core.syncedUpTo = await core.state.storage.read((tx) => tx.meta('syncedUpTo')) ?? null
    core.logFrom = await core.state.storage.read((tx) => tx.meta('logFrom')) ?? ''
    this.syncedBefore = core.syncedUpTo
    await this.session.load()
    this.lastUserId = core.session.get().user?.id
    this.conversations.show()
    this.messages.showOutbox()
    this.tabs.start()
    this.settle()
    void this.adopt()
  }

  /** Signs in with the token of the options; without a network as soon as there is one. */
  private async adopt(): Promise<void> {
    for (let attempt = 0; !this.closed; attempt++) {
      try {
        return await this.session.adopt()
      } catch (error) {
        if (!asClientError(error).retryable) return
        await pause(this.core.clock, fullJitter(reconnectBounds, attempt, this.core.random))
      }
    }
  }

  /** Listens to what concerns more than one part. */
  private wire(): void {
    const { core, tabs } = this
    this.listeners.push(
      core.state.wrote.on((change) => tabs.post({ kind: 'change', change: change.toPlain() })),
      core.state.refreshed.on((change) => {
        if (change.session) void this.sessionChanged()
      }),
      tabs.message.on((message) => this.fromTab(message)),
      tabs.led.on(() => this.settle()),
      core.connection.subscribe(() => {
        if (tabs.leading) this.postState()
      }),
      this.presence.interest.on(() => {
        if (!tabs.leading) tabs.post({ kind: 'interest', tab: tabs.id, ids: this.presence.wanted() })
      }),
      this.conversations.subscribe(() => this.watchPeers()),
    )
    if (typeof addEventListener === 'undefined' || typeof document === 'undefined') return
    // A socket that died while the machine slept says nothing by itself.
    const wake = () => {
      if (document.visibilityState === 'visible') this.link.check()
    }
    // The browser may be wrong about the network, so the connection is asked.
    const ask = () => this.link.check()
    addEventListener('offline', ask)
    addEventListener('online', wake)
    document.addEventListener('visibilitychange', wake)
    this.listeners.push(() => {
      removeEventListener('offline', ask)
      removeEventListener('online', wake)
      document.removeEventListener('visibilitychange', wake)
    })
  }

  /** Connects or disconnects as the session, the lead and the user want it. */
  private settle(): void {
    if (this.closed) return
    const wanted = this.tabs.leading && !this.manualOffline && this.core.session.get().state === 'signed-in'
    this.outbox.lead(wanted)
    if (wanted) this.link.start()
    else if (this.tabs.leading) this.link.stop(this.core.session.get().state === 'expired')
    if (this.manualOffline) this.core.connection.set({ state: 'offline', manual: true, attempts: 0 })
  }

  private async sessionChanged(): Promise<void> {
    await this.core.state.current()
    await this.core.state.open()
    await this.session.load()
    const userId = this.core.session.get().user?.id
    this.conversations.show()
    this.messages.showOutbox()
    if (userId !== this.lastUserId) {
      this.lastUserId = userId
      this.presence.reset()
      this.core.syncedUpTo = null
      this.core.logFrom = ''
      this.syncedBefore = null
      this.link.stop()
    }
    this.settle()
  }

  private welcomed(): void {
    this.outbox.welcomed()
    this.presence.welcomed()
    void this.conversations.sendReads()
  }

  private disconnected(): void {
    this.outbox.disconnected()
    this.presence.disconnected()
    this.typing.reset()
    this.messages.showOutbox()
  }

  private applied(applied: Applied): void {
    for (const m of applied.settled) if (m.clientMessageId !== undefined) this.outbox.settled(m.clientMessageId)
    for (const m of applied.incoming) this.typing.stop(m.conversationId, m.senderId)
    const fetched = Promise.all([...applied.refetch].map((id) => this.conversations.fetch(id)))
    fetched.catch(() => undefined) // the list is read again with the next connection
    this.messages.announce(applied.incoming, fetched)
    this.receivedSinceEviction += applied.incoming.length
    if (this.receivedSinceEviction >= evictEvery) this.evict()
  }

  private evict(): void {
    this.receivedSinceEviction = 0
    void keepWithin(this.core.state.storage, this.cacheLimit).then((gone) => {
      if (gone > 0) void this.rereadAll()
    })
  }

  private async rereadAll(): Promise<void> {
    const change = new ChangeSet()
    for (const id of this.core.state.conversations.keys()) change.conversation(id)
    this.tabs.post({ kind: 'change', change: change.toPlain() })
    await this.core.state.refresh(change)
  }

  /** The presence of those whom the list shows. */
  private watchPeers(): void {
    const wanted = new Set(this.conversations.get().flatMap((c) => (c.peer ? [c.peer.userId] : [])).slice(0, listedPeers))
    for (const [id, leave] of this.peers) {
      if (wanted.has(id)) continue
      leave()
      this.peers.delete(id)
    }
    for (const id of wanted) if (!this.peers.has(id)) this.peers.set(id, this.presence.of(id).subscribe(() => undefined))
  }

  private async whyRefused(): Promise<{ reason: Refusal; message: string } | undefined> {
    try {
      await this.core.api.me()
      const devices = await this.core.api.devices()
      if (devices.length >= 10 && !devices.some((d) => d.id === this.core.session.get().deviceId)) {
        return { reason: 'too-many-devices', message: 'this account has ten devices already' }
      }
      return undefined
    } catch (error) {
      const { code, message } = error as { code?: string; message: string }
      if (code === 'UNAUTHENTICATED') return { reason: 'expired', message }
      return code === 'FORBIDDEN' ? { reason: 'forbidden', message } : undefined
    }
  }

  /** Runs a command in the leading tab. */
  private command(name: TabCommand, args: unknown[] = []): void {
    if (!this.tabs.leading) this.tabs.post({ kind: 'command', name, args })
    else this.obey(name, args)
  }

  private obey(name: TabCommand, args: unknown[]): void {
    switch (name) {
      case 'typing': return this.typing.tell(args[0] as string, args[1] as boolean)
      case 'reads': return void this.core.state.current().then(() => this.conversations.sendReadsSoon())
      case 'pause': return void this.outbox.pause(args[0] as string)
      case 'reconnect': return this.link.reconnect()
      case 'kill': return this.link.kill()
      case 'offline':
      case 'online':
        this.manualOffline = name === 'offline'
        this.settle()
    }
  }

  private fromTab(message: TabMessage): void {
    const { core, tabs } = this
    switch (message.kind) {
      case 'change': return void core.state.refresh(ChangeSet.fromPlain(message.change))
      case 'hello':
        if (tabs.leading) this.postState()
        else tabs.post({ kind: 'interest', tab: tabs.id, ids: this.presence.wanted() })
        return
      case 'interest':
        if (tabs.leading) this.presence.otherTab(message.tab, message.ids)
        return
      case 'command':
        if (message.name === 'offline' || message.name === 'online') this.manualOffline = message.name === 'offline'
        if (tabs.leading) this.obey(message.name, message.args)
        return
      case 'state':
        if (tabs.leading) return
        core.skew = message.skew
        core.syncedUpTo = message.syncedUpTo
        return core.connection.set(message.connection)
      case 'frame':
        if (message.frame.type === 'typing') this.typing.take(message.frame.payload)
        else this.presence.take(message.frame.payload)
    }
  }

  private postState(): void {
    this.tabs.post({ kind: 'state', connection: this.core.connection.get(), skew: this.core.skew, syncedUpTo: this.core.syncedUpTo })
  }

  private connectionApi(): ConnectionApi {
    const { core } = this
    return {
      get: core.connection.get,
      subscribe: core.connection.subscribe,
      syncedUpTo: () => core.syncedUpTo,
      clockSkewMs: () => core.skew,
      isLeader: () => this.tabs.leading,
      reconnect: () => this.command('reconnect'),
      goOffline: () => this.setOnline(false),
      goOnline: () => this.setOnline(true),
      killConnection: () => this.command('kill'),
    }
  }

  private setOnline(online: boolean): void {
    this.manualOffline = !online
    this.command(online ? 'online' : 'offline')
  }
}

function storageOf({ storage: choice, locks }: ClientOptions): { storage: Storage; name: string; shared: boolean } {
  // A store of one's own is shared with others when there is something that says who leads.
  if (typeof choice === 'object') return { storage: choice as Storage, name: 'own', shared: locks !== undefined && locks !== null }
  const name = choice ?? 'murre'
  if (name === 'memory' || typeof indexedDB === 'undefined') return { storage: new MemoryStorage(), name, shared: false }
  return { storage: new IndexedDbStorage(name), name, shared: true }
}

function browserLocks(): Pick<LockManager, 'request'> | null {
  return typeof navigator === 'undefined' ? null : (navigator as { locks?: LockManager }).locks ?? null
}

function browserChannel(name: string): Channel | null {
  return typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(`murre-${name}`)
}

function address(base: string, token: string | undefined, device: string | null): { url: string; protocols: string[] } {
  const origin = base === '' ? globalThis.location.origin : base
  const url = `${origin.replace(/^http/, 'ws')}/ws${device === null ? '' : `?device=${encodeURIComponent(device)}`}`
  return { url, protocols: token === undefined ? ['murre.json.v1'] : ['murre.json.v1', `murre.bearer.${token}`] }
}

function missingWebSocket(): never {
  throw new Error('there is no WebSocket here: give one with the options')
}
