/// <reference lib="dom" />
import type { Page } from '@playwright/test'

/**
 * Puts n older messages of a conversation into the page's cache, as if they had been read at some time: filling a history of
 * 100,000 over the network would take longer than all tests together. What is there already of the conversation stays the newest.
 * The page must not have the messenger open.
 */
export async function seedHistory(page: Page, conversation: string, n: number): Promise<void> {
  await page.evaluate(
    async ([conversationId, count]) => {
      const done = <T>(request: IDBRequest<T>) => new Promise<T>((resolve, reject) => {
        request.onsuccess = () => { resolve(request.result) }
        request.onerror = () => { reject(request.error ?? new Error('request')) }
      })
      const db = await done(indexedDB.open('murre'))
      const read = db.transaction(['conversations', 'messages'])
      const record = await done<Record<string, unknown>>(read.objectStore('conversations').get(conversationId))
      const sample = (await done<Record<string, unknown>[]>(read.objectStore('messages').getAll(IDBKeyRange.bound([conversationId], [conversationId, []]), 1)))[0]
      const range = (record['ranges'] as { from: string; to: string; start?: boolean }[])[0]
      if (sample === undefined || range === undefined) throw new Error('the conversation must have a message in the cache')
      const people = (record['participants'] as { userId: string }[]).map((p) => p.userId)
      const newest = Date.parse(sample['createdAt'] as string)
      const words = 'the murre lays one egg on a bare ledge of the cliff and does not build a nest so its egg is pointed and rolls in a circle'.split(' ')
      const idOf = (i: number) => `000000${i.toString(32).padStart(7, '0')}`
      for (let from = 0; from < count; from += 5_000) {
        const write = db.transaction('messages', 'readwrite', { durability: 'relaxed' })
        const store = write.objectStore('messages')
        for (let i = from; i < Math.min(from + 5_000, count); i++) {
          const length = 1 + ((i * 7919) % 37)
          const { dedup: _dedup, clientMessageId: _name, status: _status, ...rest } = sample
          store.put({
            ...rest,
            id: idOf(i),
            senderId: people[(i >> 2) % people.length],
            content: `${i}: ${Array.from({ length }, (_, w) => words[(i + w * 3) % words.length]).join(' ')}`,
            createdAt: new Date(newest - (count - i) * 90_000).toISOString(),
          })
        }
        await new Promise<void>((resolve, reject) => {
          write.oncomplete = () => { resolve() }
          write.onerror = () => { reject(write.error ?? new Error('write')) }
        })
      }
      const put = db.transaction('conversations', 'readwrite')
      const ranges = record['ranges'] as { from: string }[]
      await done(put.objectStore('conversations').put({ ...record, ranges: [{ ...range, from: idOf(0), start: true }, ...ranges.slice(1)] }))
      db.close()
    },
    [conversation, n] as const,
  )
}
