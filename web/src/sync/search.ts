import type { MessageRecord } from '../db'
import type { State } from './state'

/** Messages looked at in one go, which is some ms of work: between two of them the page does what else there is to do. */
const piece = 500

export interface SearchOptions {
  /** Only in this conversation. */
  conversation?: string
  /** Hits at most; 50 by default. */
  limit?: number
  /** Ends the search early, with what was found until then. */
  signal?: AbortSignal
}

interface Found {
  words: readonly string[]
  conversation: string | undefined
  /** Of the state, when it was found. */
  version: number
  hits: readonly MessageRecord[]
}

/**
 * Looks for words in the cached messages, from the newest on. There is no index, which every message would pay for and which knows
 * no parts of words: messages are read in large pieces, and what only narrows the search before is looked for among its hits.
 */
export class Search {
  private readonly state: State
  private last: Found | undefined

  constructor(state: State) {
    this.state = state
  }

  /** Newest first: messages with all of the words in them, or parts of words, whatever the case. */
  async find(query: string, { conversation, limit = 50, signal }: SearchOptions): Promise<readonly MessageRecord[]> {
    const words = query.trim().toLocaleLowerCase().split(/\s+/).filter((w) => w !== '')
    if (words.length === 0) return []
    const matches = (m: MessageRecord) => {
      const content = m.content.toLocaleLowerCase()
      return words.every((w) => content.includes(w))
    }
    const { version } = this.state
    const narrower = this.last?.version === version && this.last.conversation === conversation && this.last.words.every((w) => words.some((now) => now.includes(w)))
    const hits: MessageRecord[] = []
    let whole = true
    if (narrower) hits.push(...this.last!.hits.filter(matches))
    else whole = await this.scan(conversation, signal, (m) => {
      if (matches(m)) hits.push(m)
      return hits.length < limit
    })
    // What was cut off says nothing about a narrower search.
    if (whole) this.last = { words, conversation, version, hits }
    return hits.slice(0, limit)
  }

  /** The nearest cached message with a picture before or behind one of the same conversation. */
  async picture(conversation: string, from: string, side: 'older' | 'newer'): Promise<MessageRecord | undefined> {
    const newest = side === 'older'
    for (let at = from; ;) {
      const bound = newest ? { to: at } : { from: at }
      const some = await this.state.storage.read((tx) => tx.messages.stretch(conversation, { ...bound, limit: piece, newest }))
      const shows = (m: MessageRecord) => m.id !== from && m.contentType === 'image' && m.media !== undefined && !m.deleted
      const found = newest ? some.findLast(shows) : some.find(shows)
      if (found || some.length < piece) return found
      at = (newest ? some[0] : some.at(-1))!.id
    }
  }

  /** false: it ended before the oldest message. */
  private async scan(conversation: string | undefined, signal: AbortSignal | undefined, take: (m: MessageRecord) => boolean): Promise<boolean> {
    for (let to: string | undefined; ;) {
      const some: MessageRecord[] = await this.state.storage.read((tx) => tx.messages.stretch(conversation, { ...(to === undefined ? {} : { to }), limit: piece, newest: true }))
      if (signal?.aborted) return false
      // The last of this piece is the first of the one before it.
      for (let i = some.length - (to === undefined ? 1 : 2); i >= 0; i--) if (!take(some[i]!)) return false
      if (some.length < piece) return true
      to = some[0]!.id
    }
  }
}
