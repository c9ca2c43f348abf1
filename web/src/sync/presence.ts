import type { ClientFrame, ServerFrame } from '../protocol'
import type { Live, PresenceApi, PresenceView } from './api'
import type { Core } from './core'
import { Cell, Signal } from './live'

/** The server keeps an interest for five minutes; it is renewed before. In ms. */
const renewAfter = 4 * 60_000
/** Ids that come into view together are asked for together. */
const gatherMs = 50
const perFrame = 100

type Payload = Extract<ServerFrame, { type: 'presence' }>['payload']

/** Who is online, of those somebody looks at. */
export class Presence implements PresenceApi {
  private readonly core: Core
  private readonly send: (frame: ClientFrame) => boolean
  private cells = new Map<string, Cell<PresenceView | undefined>>()
  private lives = new Map<string, Live<PresenceView | undefined>>()
  private watchers = new Map<string, number>()
  /** What other tabs look at, by tab. */
  private elsewhere = new Map<string, readonly string[]>()
  private asked = new Set<string>()
  private timer: unknown
  private renewal: unknown
  /** Who is looked at in this tab changed. */
  readonly interest = new Signal<[]>()
  readonly changed = new Signal<[]>()

  constructor(core: Core, send: (frame: ClientFrame) => boolean) {
    this.core = core
    this.send = send
  }

  of(userId: string): Live<PresenceView | undefined> {
    let live = this.lives.get(userId)
    if (!live) {
      const cell = this.cell(userId)
      live = {
        get: cell.get,
        subscribe: (listener) => {
          const leave = cell.subscribe(listener)
          this.watch(userId, 1)
          return () => {
            leave()
            this.watch(userId, -1)
          }
        },
      }
      this.lives.set(userId, live)
    }
    return live
  }

  peek(userId: string): PresenceView | undefined {
    return this.cells.get(userId)?.get()
  }

  /** Ids that this tab looks at. */
  wanted(): string[] {
    return [...this.watchers.keys()]
  }

  otherTab(tab: string, ids: readonly string[]): void {
    if (ids.length === 0) this.elsewhere.delete(tab)
    else this.elsewhere.set(tab, ids)
    this.soon()
  }

  /** A new connection knows of no interest. */
  welcomed(): void {
    this.asked.clear()
    this.ask()
  }

  /** What was known is no longer kept up to date. */
  disconnected(): void {
    this.asked.clear()
    this.core.clock.clearTimeout(this.renewal)
  }

  stop(): void {
    this.core.clock.clearTimeout(this.timer)
    this.core.clock.clearTimeout(this.renewal)
  }

  /** Forgets everybody, at a sign-out. */
  reset(): void {
    for (const cell of this.cells.values()) cell.set(undefined)
  }

  take(p: Payload): void {
    const before = this.peek(p.userId)
    const lastSeen = p.lastSeen ?? before?.lastSeen
    this.cell(p.userId).set({ status: p.status, ...(lastSeen === undefined ? {} : { lastSeen }) })
    this.changed.emit()
  }

  private cell(userId: string): Cell<PresenceView | undefined> {
    let cell = this.cells.get(userId)
    if (!cell) this.cells.set(userId, (cell = new Cell<PresenceView | undefined>(undefined)))
    return cell
  }

  private watch(userId: string, by: 1 | -1): void {
    const now = (this.watchers.get(userId) ?? 0) + by
    if (now > 0) this.watchers.set(userId, now)
    else this.watchers.delete(userId)
    if ((by === 1 && now === 1) || now === 0) {
      this.interest.emit()
      this.soon()
    }
  }

  private soon(): void {
    this.timer ??= this.core.clock.setTimeout(() => {
      this.timer = undefined
      this.ask()
    }, gatherMs)
  }

  private ask(): void {
    const all = new Set([...this.watchers.keys(), ...[...this.elsewhere.values()].flat()])
    const fresh = [...all].filter((id) => !this.asked.has(id))
    for (let i = 0; i < fresh.length; i += perFrame) {
      const userIds = fresh.slice(i, i + perFrame)
      if (!this.send({ type: 'presence', payload: { userIds } })) return
      for (const id of userIds) this.asked.add(id)
    }
    if (fresh.length === 0) return
    this.core.clock.clearTimeout(this.renewal)
    this.renewal = this.core.clock.setTimeout(() => {
      this.asked.clear()
      this.ask()
    }, renewAfter)
  }
}
