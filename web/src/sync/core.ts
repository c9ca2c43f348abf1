import type { ConversationRecord } from '../db'
import type { Clock, Endpoints } from '../transport'
import type { ClientEvent, ConnectionState, SessionSnapshot, Stats } from './api'
import type { Cell, Signal } from './live'
import type { State } from './state'

/** What every part of the engine needs. */
export interface Core {
  readonly clock: Clock
  readonly random: () => number
  readonly makeId: () => string
  readonly api: Endpoints
  readonly state: State
  readonly session: Cell<SessionSnapshot>
  readonly connection: Cell<ConnectionState>
  readonly stats: Cell<Stats>
  readonly events: Signal<[ClientEvent]>
  /** The server's clock minus ours, in ms. */
  skew: number
  syncedUpTo: string | null
  /** When the log began to continue the cache, in ms of our clock: at the first welcome, and anew after each gap. */
  logSince: number
  /** The place in the log where that was; message and event ids are of one clock. */
  logFrom: string
}

export function me(core: Core): string {
  return core.session.get().user?.id ?? ''
}

export function serverNow(core: Core): number {
  return core.clock.now() + core.skew
}

export function serverTime(core: Core): string {
  return new Date(serverNow(core)).toISOString()
}

export function count(core: Core, add: Partial<Stats>): void {
  const next = { ...core.stats.get() }
  let changed = false
  for (const [key, value] of Object.entries(add) as [keyof Stats, number][]) {
    if (value === 0) continue
    next[key] += value
    changed = true
  }
  if (changed) core.stats.set(next)
}

type Unstamped<T> = T extends unknown ? Omit<T, 'atMs' | 'serverAtMs'> : never

/** Tells of a frame or a step of a message. */
export function tell(core: Core, event: Unstamped<ClientEvent>): void {
  const atMs = core.clock.now()
  core.events.emit({ atMs, serverAtMs: atMs + core.skew, ...event } as ClientEvent)
}

export function titleOf(record: ConversationRecord, self: string): string {
  if (record.name !== '') return record.name
  const others = record.participants.filter((p) => p.userId !== self)
  if (others.length === 0) return record.participants[0]?.displayName ?? ''
  return others.map((p) => p.displayName).join(', ')
}

export const noStats: Stats = {
  sent: 0, received: 0, lost: 0, doubled: 0, reordered: 0, duplicatesDropped: 0, reconnects: 0, catchUps: 0,
}
