import { rangeOf, tailOf, type MessageRecord, type Range } from '../db'
import type { Rest as Wire } from '../protocol'
import type { HistoryQuery } from '../transport'
import type { Applier } from './apply'
import type { Core } from './core'

const most = 100

/** Reads histories from the server into the cache, and keeps the books of which stretches are whole. */
export class History {
  private readonly core: Core
  private readonly applier: Applier

  constructor(core: Core, applier: Applier) {
    this.core = core
    this.applier = applier
  }

  /** The newest page. */
  async newest(conversationId: string, limit: number): Promise<void> {
    await this.page(conversationId, { limit: Math.min(most, limit) }, (page) => {
      const range = span(page.messages)
      return range && { ...range, tail: true, ...(page.hasMore ? {} : { start: true }) }
    })
  }

  /** The page before an id that is in the cache. */
  async before(conversationId: string, id: string, limit: number): Promise<void> {
    await this.page(conversationId, { before: id, limit: Math.min(most, limit) }, (page) => {
      const from = page.messages[0]?.id ?? id
      return { from, to: id, ...(page.hasMore ? {} : { start: true }) }
    })
  }

  /** The page behind an id that is in the cache. Returns what was new, and whether there is more. */
  async since(conversationId: string, id: string, limit = most): Promise<{ fresh: MessageRecord[]; hasMore: boolean }> {
    return this.page(conversationId, { since: id, limit: Math.min(most, limit) }, (page) => {
      const to = page.messages.at(-1)?.id ?? id
      return { from: id, to, ...(page.hasMore ? {} : { tail: true }) }
    })
  }

  /** The messages around one; false: it doesn't exist. */
  async around(conversationId: string, id: string, limit: number): Promise<boolean> {
    let found = false
    await this.page(conversationId, { around: id, limit: Math.min(most, limit) }, (page) => {
      found = page.messages.some((m) => m.id === id)
      return span(page.messages)
    })
    return found
  }

  /** One message for a preview; it belongs to no stretch. */
  async single(conversationId: string, id: string): Promise<void> {
    const fetchedAt = this.core.clock.now()
    const wire = await this.core.api.message(conversationId, id)
    await this.core.state.write((tx, change) => this.applier.page(tx, change, conversationId, [wire], undefined, fetchedAt))
  }

  /**
   * Fills what is missing between the newest cached stretch and the end of the history. Returns messages that were new
   * here. What is too much for a few pages is left: the cache then begins anew at the end.
   */
  async repairTail(conversationId: string, pages = 10): Promise<MessageRecord[]> {
    const found: MessageRecord[] = []
    for (let i = 0; i < pages; i++) {
      const from = this.holeBefore(conversationId)
      if (from === undefined) return found
      const { fresh, hasMore } = await this.since(conversationId, from)
      found.push(...fresh)
      await this.core.state.current()
      if (!hasMore) return found
    }
    return found
  }

  /** The end of the stretch behind which messages are missing that the newest ones follow. */
  private holeBefore(conversationId: string): string | undefined {
    const c = this.core.state.conversations.get(conversationId)
    const last = c?.last?.id
    if (!c || last === undefined || c.ranges.length === 0) return undefined
    const tail = tailOf(c.ranges)
    // A hole may lie before a tail that began with one live message.
    if (tail && tail.to >= last) return tail.start || c.ranges.length < 2 ? undefined : c.ranges.at(-2)!.to
    if (rangeOf(c.ranges, last) && tail) return undefined
    return c.ranges.at(-1)!.to
  }

  private async page(conversationId: string, query: HistoryQuery, rangeFor: (page: Wire.HistoryAnswer) => Range | undefined) {
    const fetchedAt = this.core.clock.now()
    const page = await this.core.api.history(conversationId, query)
    const fresh = await this.core.state.write((tx, change) => this.applier.page(tx, change, conversationId, page.messages, rangeFor(page), fetchedAt))
    return { fresh, hasMore: page.hasMore }
  }
}

function span(messages: readonly { id: string }[]): Range | undefined {
  const first = messages[0]
  const last = messages.at(-1)
  return first && last ? { from: first.id, to: last.id } : undefined
}
