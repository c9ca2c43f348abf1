import { beforeEach, describe, expect, it } from 'vitest'
import { MemoryStorage, type MessageRecord } from '../db'
import { messageRecord } from '../db/records.fixture'
import { ChangeSet } from './changes'
import { Search } from './search'
import { State } from './state'

const many = 2_300
let state: State
let search: Search
let reads: number

const id = (i: number) => String(i).padStart(6, '0')

beforeEach(async () => {
  const storage = new MemoryStorage()
  await storage.write((tx) => tx.messages.put(Array.from({ length: many }, (_, i): MessageRecord => ({
    ...messageRecord(i % 2 === 0 ? 'even' : 'odd', id(i)), content: `Number ${i}${i % 1000 === 7 ? ' is a rare Needle' : ''}`,
  }))))
  reads = 0
  const { read } = storage
  storage.read = (run) => {
    reads++
    return read.call(storage, run) as ReturnType<typeof run>
  }
  state = new State(storage)
  search = new Search(state)
})

const ids = async (query: string, options = {}) => (await search.find(query, options)).map((m) => Number(m.id))

describe('the search in the cache', () => {
  it('finds all words or parts of them, each message once, the newest first', async () => {
    expect(await ids('needle')).toEqual([2007, 1007, 7])
    expect(await ids('NEED 2007')).toEqual([2007])
    expect(await ids('needle', { conversation: 'even' })).toEqual([])
    expect(await ids('needle', { conversation: 'odd', limit: 2 })).toEqual([2007, 1007])
    expect(await ids(' ')).toEqual([])
    expect((await ids('number', { limit: 5_000 })).length).toBe(many)
  })

  it('reads no more than it needs for its limit', async () => {
    expect(await ids('number', { limit: 3 })).toEqual([2299, 2298, 2297])
    expect(reads).toBe(1)
  })

  it('looks for more letters among what fewer letters found, until something changes', async () => {
    await ids('nee')
    const before = reads
    expect(await ids('needl')).toEqual([2007, 1007, 7])
    expect(await ids('needle rare')).toEqual([2007, 1007, 7])
    expect(reads).toBe(before)
    await state.storage.write((tx) => tx.messages.put([{ ...messageRecord('even', id(5000)), content: 'another needle, rare too' }]))
    const change = new ChangeSet()
    change.message('even', id(5000))
    await state.refresh(change)
    expect(await ids('needle rare')).toEqual([5000, 2007, 1007, 7])
  })

  it('does not take what was cut off for all there is', async () => {
    expect(await ids('number', { limit: 3 })).toEqual([2299, 2298, 2297])
    expect(await ids('number 7', { limit: 3 })).toEqual([2297, 2287, 2279])
  })

  it('finds the picture before and behind a message, however far, of that conversation only', async () => {
    const picture = (conversation: string, n: number, more: Partial<MessageRecord> = {}): MessageRecord =>
      ({ ...messageRecord(conversation, id(n)), contentType: 'image', media: { id: `m${n}`, contentType: 'image/png', name: '', size: 1, url: '' }, ...more })
    await state.storage.write((tx) => tx.messages.put([
      picture('odd', 1), picture('odd', 2201), picture('odd', 2203, { deleted: true }), picture('even', 1200), picture('odd', 2205),
    ]))
    const beside = async (n: number, side: 'older' | 'newer') => (await search.picture('odd', id(n), side))?.id
    expect(await beside(2205, 'older')).toBe(id(2201))
    expect(await beside(2201, 'older')).toBe(id(1))
    expect(await beside(1, 'older')).toBeUndefined()
    expect(await beside(1, 'newer')).toBe(id(2201))
    expect(await beside(2201, 'newer')).toBe(id(2205))
    expect(await beside(2205, 'newer')).toBeUndefined()
  })

  it('ends when nobody wants it any more', async () => {
    const stop = new AbortController()
    const found = search.find('nothing like it', { signal: stop.signal })
    stop.abort()
    expect(await found).toEqual([])
    expect(reads).toBe(1)
    expect(await ids('nothing')).toEqual([])
    expect(reads).toBeGreaterThan(2)
  })
})
