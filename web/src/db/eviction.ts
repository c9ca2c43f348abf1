import { cutBefore } from './ranges'
import type { Storage } from './storage'

/** Messages removed in one transaction at most, so that nobody waits long for it. */
const chunk = 500

/** Removes the oldest n cached messages, whatever conversation they are of. The outbox is another table, and safe. */
export async function evictOldest(storage: Storage, n: number): Promise<number> {
  let gone = 0
  while (gone < n) {
    const removed = await storage.write(async (tx) => {
      const oldest = await tx.messages.oldest(Math.min(chunk, n - gone))
      const touched = new Set<string>()
      for (const { conversationId, id } of oldest) {
        await tx.messages.delete(conversationId, id)
        touched.add(conversationId)
      }
      for (const id of touched) {
        const conversation = await tx.conversations.get(id)
        if (!conversation) continue
        const [kept] = await tx.messages.stretch(id, { limit: 1 })
        await tx.conversations.put({ ...conversation, ranges: cutBefore(conversation.ranges, kept?.id) })
      }
      return oldest.length
    })
    if (removed === 0) break
    gone += removed
  }
  return gone
}

/** Keeps the cache within a number of messages; a tenth more is let pass, so that it isn't done for each message. */
export async function keepWithin(storage: Storage, limit: number): Promise<number> {
  const count = await storage.read((tx) => tx.messages.count())
  return count > limit * 1.1 ? evictOldest(storage, count - limit) : 0
}

/**
 * Writes, and when there is no room evicts and writes again: a tenth of the cache each time, until it fits or nothing is
 * left to go.
 */
export async function writeWithRoom<T>(storage: Storage, write: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await write()
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'QuotaExceededError') throw error
      const count = await storage.read((tx) => tx.messages.count())
      const gone = await evictOldest(storage, Math.max(100, Math.ceil(count / 10))).catch(() => 0)
      if (gone === 0) throw error
    }
  }
}
