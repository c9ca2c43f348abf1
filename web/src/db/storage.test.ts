import { IDBFactory, IDBKeyRange } from 'fake-indexeddb'
import { describe, expect, it } from 'vitest'
import { evictOldest, keepWithin, writeWithRoom } from './eviction'
import { IndexedDbStorage } from './indexeddb'
import { MemoryStorage } from './memory'
import { conversationRecord, messageRecord, outboxRecord } from './records.fixture'
import type { Storage } from './storage'

const engines: [string, () => Storage][] = [
  ['memory', () => new MemoryStorage()],
  ['IndexedDB', () => new IndexedDbStorage('test', { indexedDB: new IDBFactory(), IDBKeyRange: IDBKeyRange as never })],
]

describe.each(engines)('%s', (_name, open) => {
  it('keeps what a write did, as a whole', async () => {
    const s = open()
    await s.write(async (tx) => {
      await tx.conversations.put(conversationRecord('c'))
      await tx.messages.put([messageRecord('c', '02'), messageRecord('c', '01')])
      await tx.setMeta('deviceId', 'd')
    })
    await s.read(async (tx) => {
      expect((await tx.conversations.all()).map((c) => c.id)).toEqual(['c'])
      expect((await tx.messages.stretch('c', {})).map((m) => m.id)).toEqual(['01', '02'])
      expect(await tx.meta('deviceId')).toBe('d')
    })
  })

  it('keeps nothing of a write that failed', async () => {
    const s = open()
    await s.write((tx) => tx.messages.put([messageRecord('c', '01', { content: 'before' })]))
    const failing = s.write(async (tx) => {
      await tx.messages.put([messageRecord('c', '01', { content: 'after' }), messageRecord('c', '02')])
      await tx.messages.delete('c', '01')
      await tx.outbox.put(outboxRecord('o', 'c', 1))
      await tx.blobs.put('o', new Blob(['x']))
      await tx.setMeta('token', 't')
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    await s.read(async (tx) => {
      expect((await tx.messages.stretch('c', {})).map((m) => m.content)).toEqual(['before'])
      expect(await tx.outbox.all()).toEqual([])
      expect(await tx.blobs.get('o')).toBeUndefined()
      expect(await tx.meta('token')).toBeUndefined()
    })
  })

  it('does writes one after the other', async () => {
    const s = open()
    await s.write((tx) => tx.setMeta('nextSeq', 0))
    await Promise.all(Array.from({ length: 20 }, () => s.write(async (tx) => tx.setMeta('nextSeq', ((await tx.meta('nextSeq')) ?? 0) + 1))))
    expect(await s.read((tx) => tx.meta('nextSeq'))).toBe(20)
  })

  it('lives through a row of awaits without a request', async () => {
    const s = open()
    await s.write(async (tx) => {
      for (let i = 0; i < 50; i++) await Promise.resolve()
      await tx.messages.put([messageRecord('c', '01')])
    })
    expect(await s.read((tx) => tx.messages.count())).toBe(1)
  })

  it('cuts stretches from either end', async () => {
    const s = open()
    const ids = Array.from({ length: 20 }, (_, i) => String(i).padStart(2, '0'))
    await s.write(async (tx) => {
      await tx.messages.put(ids.map((id) => messageRecord('c', id)))
      await tx.messages.put([messageRecord('b', '05'), messageRecord('d', '05')])
    })
    const cut = (x: object) => s.read(async (tx) => (await tx.messages.stretch('c', x)).map((m) => m.id))
    expect(await cut({ from: '03', to: '05' })).toEqual(['03', '04', '05'])
    expect(await cut({ from: '03', limit: 2 })).toEqual(['03', '04'])
    expect(await cut({ to: '10', limit: 2, newest: true })).toEqual(['09', '10'])
    expect(await cut({ limit: 2, newest: true })).toEqual(['18', '19'])
    expect(await cut({ from: '17', limit: 3, newest: true })).toEqual(['17', '18', '19'])
    expect(await cut({ from: '18', limit: 9, newest: true })).toEqual(['18', '19'])
    expect(await cut({ from: '18', limit: 0, newest: true })).toEqual([])
    expect(await cut({ from: '20', limit: 2, newest: true })).toEqual([])
    expect(await s.read((tx) => tx.messages.count('c'))).toBe(20)
    expect(await s.read((tx) => tx.messages.count())).toBe(22)
  })

  it('finds a message by its sender and clientMessageId', async () => {
    const s = open()
    await s.write((tx) => tx.messages.put([messageRecord('c', '01', { dedup: 'u:x' })]))
    expect((await s.read((tx) => tx.messages.byDedup('u:x')))?.id).toBe('01')
    await s.write((tx) => tx.messages.delete('c', '01'))
    expect(await s.read((tx) => tx.messages.byDedup('u:x'))).toBeUndefined()
  })

  it('cuts stretches of all conversations together', async () => {
    const s = open()
    await s.write((tx) => tx.messages.put([messageRecord('a', '01'), messageRecord('b', '02'), messageRecord('a', '03'), messageRecord('c', '04')]))
    const cut = (x: object) => s.read(async (tx) => (await tx.messages.stretch(undefined, x)).map((m) => m.id))
    expect(await cut({ limit: 2, newest: true })).toEqual(['03', '04'])
    expect(await cut({ to: '03', limit: 2, newest: true })).toEqual(['02', '03'])
    expect(await cut({ to: '02', limit: 5, newest: true })).toEqual(['01', '02'])
    expect(await cut({ from: '02', limit: 2 })).toEqual(['02', '03'])
  })

  it('evicts the oldest of all conversations and cuts their stretches, never the outbox', async () => {
    const s = open()
    await s.write(async (tx) => {
      await tx.conversations.put({ ...conversationRecord('a'), ranges: [{ from: '01', to: '03', start: true }, { from: '05', to: '09', tail: true }] })
      await tx.conversations.put({ ...conversationRecord('b'), ranges: [{ from: '02', to: '02' }] })
      await tx.messages.put(['01', '03', '05', '07', '09'].map((id) => messageRecord('a', id)))
      await tx.messages.put([messageRecord('b', '02')])
      await tx.outbox.put(outboxRecord('o', 'a', 1))
    })
    expect(await evictOldest(s, 4)).toBe(4)
    await s.read(async (tx) => {
      expect((await tx.messages.stretch('a', {})).map((m) => m.id)).toEqual(['07', '09'])
      expect((await tx.conversations.get('a'))?.ranges).toEqual([{ from: '07', to: '09', tail: true }])
      expect((await tx.conversations.get('b'))?.ranges).toEqual([])
      expect(await tx.outbox.all()).toHaveLength(1)
    })
    expect(await keepWithin(s, 1)).toBe(1)
    expect(await keepWithin(s, 1)).toBe(0)
  })

  it('makes room when the quota runs short, and says so when nothing is left to go', async () => {
    const s = open()
    await s.write((tx) => tx.messages.put(Array.from({ length: 300 }, (_, i) => messageRecord('c', String(i).padStart(3, '0')))))
    const quota = () => Object.assign(new Error('full'), { name: 'QuotaExceededError' })
    let room = 250
    const write = async () => {
      if (await s.read((tx) => tx.messages.count()) > room) throw quota()
      return 'written'
    }
    expect(await writeWithRoom(s, write)).toBe('written')
    expect(await s.read((tx) => tx.messages.count())).toBe(200)
    room = -1
    await expect(writeWithRoom(s, write)).rejects.toThrow('full')
  })

  it('forgets everything', async () => {
    const s = open()
    await s.write(async (tx) => {
      await tx.messages.put([messageRecord('c', '01')])
      await tx.setMeta('token', 't')
    })
    await s.wipe()
    expect(await s.read((tx) => tx.messages.count())).toBe(0)
    expect(await s.read((tx) => tx.meta('token'))).toBeUndefined()
  })
})
