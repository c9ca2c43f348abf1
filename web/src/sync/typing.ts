import type { ClientFrame, ServerFrame } from '../protocol'
import type { Core } from './core'
import { me } from './core'
import { Signal } from './live'

/** Sent at most so often; shown so long after the last word of it. In ms. */
const sendEvery = 2000
const showFor = 3000

type Payload = Extract<ServerFrame, { type: 'typing' }>['payload']
export interface Typist {
  userId: string
  displayName: string
}

/** Who is typing where, and telling that we are. */
export class Typing {
  private readonly core: Core
  private readonly send: (frame: ClientFrame) => boolean
  private sentAt = new Map<string, number>()
  private shown = new Map<string, Map<string, { typist: Typist; timer: unknown }>>()
  private lists = new Map<string, readonly Typist[]>()
  readonly changed = new Signal<[string]>()

  constructor(core: Core, send: (frame: ClientFrame) => boolean) {
    this.core = core
    this.send = send
  }

  in(conversationId: string): readonly Typist[] {
    return this.lists.get(conversationId) ?? []
  }

  /** The user types here, or has stopped. */
  tell(conversationId: string, isTyping: boolean): void {
    const now = this.core.clock.now()
    const last = this.sentAt.get(conversationId)
    if (isTyping) {
      if (last !== undefined && now - last < sendEvery) return
      if (this.send({ type: 'typing', payload: { conversationId } })) this.sentAt.set(conversationId, now)
      return
    }
    if (last === undefined) return
    this.sentAt.delete(conversationId)
    if (now - last < showFor) this.send({ type: 'typing', payload: { conversationId, isTyping: false } })
  }

  take(p: Payload): void {
    if (p.userId === me(this.core)) return
    this.stop(p.conversationId, p.userId)
    if (p.isTyping) {
      const known = this.core.state.conversations.get(p.conversationId)?.participants.find((x) => x.userId === p.userId)
      const typist = { userId: p.userId, displayName: known?.displayName ?? p.username }
      const timer = this.core.clock.setTimeout(() => this.stop(p.conversationId, p.userId), showFor)
      const here = this.shown.get(p.conversationId) ?? new Map<string, { typist: Typist; timer: unknown }>()
      here.set(p.userId, { typist, timer })
      this.shown.set(p.conversationId, here)
      this.update(p.conversationId)
    }
  }

  /** Their message is here, so they don't type it any more. */
  stop(conversationId: string, userId: string): void {
    const entry = this.shown.get(conversationId)?.get(userId)
    if (!entry) return
    this.core.clock.clearTimeout(entry.timer)
    this.shown.get(conversationId)!.delete(userId)
    this.update(conversationId)
  }

  /** Nobody, at the end of a connection. */
  reset(): void {
    for (const [conversationId, here] of this.shown) for (const userId of [...here.keys()]) this.stop(conversationId, userId)
  }

  private update(conversationId: string): void {
    this.lists.set(conversationId, [...(this.shown.get(conversationId)?.values() ?? [])].map((e) => e.typist))
    this.changed.emit(conversationId)
  }
}
