import { firstFrom } from './order'
import type { ConversationRecord, MessageRecord, OutboxRecord, UserRecord } from './records'
import type { MessageTable, MetaValues, Storage, Stretch, Table, Tx } from './storage'

/** A store that lasts as long as the program: for bots, tests, and browsers that forbid databases. */
export class MemoryStorage implements Storage {
  private state = new State()
  private last: Promise<unknown> = Promise.resolve()

  read<T>(run: (tx: Tx) => Promise<T>): Promise<T> {
    return this.inTurn(() => run(this.state.tx(undefined)))
  }

  write<T>(run: (tx: Tx) => Promise<T>): Promise<T> {
    return this.inTurn(async () => {
      const undo: (() => void)[] = []
      try {
        return await run(this.state.tx(undo))
      } catch (error) {
        for (const step of undo.reverse()) step()
        throw error
      }
    })
  }

  wipe(): Promise<void> {
    return this.inTurn(() => {
      this.state = new State()
      return Promise.resolve()
    })
  }

  close(): void {
    // Nothing to let go of.
  }

  private inTurn<T>(run: () => Promise<T>): Promise<T> {
    const mine = this.last.then(run)
    this.last = mine.catch(() => undefined)
    return mine
  }
}

type Undo = (() => void)[] | undefined

function table<R>(map: Map<string, R>, keyOf: (r: R) => string, undo: Undo): Table<R, string> {
  const restore = (key: string) => {
    const before = map.get(key)
    undo?.push(() => (before === undefined ? map.delete(key) : map.set(key, before)))
  }
  return {
    get: (key) => Promise.resolve(map.get(key)),
    all: () => Promise.resolve([...map.values()]),
    put: (record) => {
      restore(keyOf(record))
      map.set(keyOf(record), record)
      return Promise.resolve()
    },
    delete: (key) => {
      restore(key)
      map.delete(key)
      return Promise.resolve()
    },
  }
}

class State {
  private conversations = new Map<string, ConversationRecord>()
  private outbox = new Map<string, OutboxRecord>()
  private blobs = new Map<string, Blob>()
  private users = new Map<string, UserRecord>()
  private meta = new Map<string, unknown>()
  private histories = new Map<string, MessageRecord[]>() // ascending
  private dedup = new Map<string, MessageRecord>()

  tx(undo: Undo): Tx {
    const blobs = table(this.blobs, () => '', undefined)
    return {
      conversations: table(this.conversations, (r) => r.id, undo),
      outbox: table(this.outbox, (r) => r.clientMessageId, undo),
      users: table(this.users, (r) => r.id, undo),
      messages: this.messages(undo),
      blobs: {
        get: (key) => blobs.get(key),
        put: (key, blob) => {
          const before = this.blobs.get(key)
          undo?.push(() => (before ? this.blobs.set(key, before) : this.blobs.delete(key)))
          this.blobs.set(key, blob)
          return Promise.resolve()
        },
        delete: (key) => {
          const before = this.blobs.get(key)
          if (before) undo?.push(() => this.blobs.set(key, before))
          this.blobs.delete(key)
          return Promise.resolve()
        },
      },
      meta: (key) => Promise.resolve(this.meta.get(key) as MetaValues[typeof key] | undefined),
      setMeta: (key, value) => {
        const before = this.meta.get(key)
        undo?.push(() => (before === undefined ? this.meta.delete(key) : this.meta.set(key, before)))
        if (value === undefined) this.meta.delete(key)
        else this.meta.set(key, value)
        return Promise.resolve()
      },
    }
  }

  private messages(undo: Undo): MessageTable {
    return {
      get: (conversationId, id) => {
        const list = this.histories.get(conversationId) ?? []
        const found = list[firstFrom(list, id)]
        return Promise.resolve(found?.id === id ? found : undefined)
      },
      byDedup: (dedup) => Promise.resolve(this.dedup.get(dedup)),
      stretch: (conversationId, s) => Promise.resolve(cut(conversationId === undefined ? this.inOrder() : this.histories.get(conversationId) ?? [], s)),
      count: (conversationId) => Promise.resolve(conversationId === undefined
        ? [...this.histories.values()].reduce((sum, list) => sum + list.length, 0)
        : this.histories.get(conversationId)?.length ?? 0),
      put: (records) => {
        for (const record of records) this.put(record, undo)
        return Promise.resolve()
      },
      delete: (conversationId, id) => {
        this.remove(conversationId, id, undo)
        return Promise.resolve()
      },
      clear: (conversationId) => {
        const gone = conversationId === undefined ? [...this.histories.keys()] : [conversationId]
        for (const c of gone) for (const m of [...(this.histories.get(c) ?? [])]) this.remove(c, m.id, undo)
        return Promise.resolve()
      },
      oldest: (n) => Promise.resolve(this.inOrder().slice(0, n).map(({ conversationId, id }) => ({ conversationId, id }))),
    }
  }

  private inOrder(): MessageRecord[] {
    return [...this.histories.values()].flat().sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  private put(record: MessageRecord, undo: Undo): void {
    let list = this.histories.get(record.conversationId)
    if (!list) this.histories.set(record.conversationId, (list = []))
    const at = firstFrom(list, record.id)
    const before = list[at]?.id === record.id ? list[at] : undefined
    list.splice(at, before ? 1 : 0, record)
    if (before?.dedup !== undefined) this.dedup.delete(before.dedup)
    if (record.dedup !== undefined) this.dedup.set(record.dedup, record)
    undo?.push(() => (before ? this.put(before, undefined) : this.remove(record.conversationId, record.id, undefined)))
  }

  private remove(conversationId: string, id: string, undo: Undo): void {
    const list = this.histories.get(conversationId) ?? []
    const at = firstFrom(list, id)
    const before = list[at]
    if (before?.id !== id) return
    list.splice(at, 1)
    if (before.dedup !== undefined && this.dedup.get(before.dedup)?.id === id) this.dedup.delete(before.dedup)
    undo?.push(() => this.put(before, undefined))
  }
}

function cut(list: readonly MessageRecord[], s: Stretch): MessageRecord[] {
  let begin = s.from === undefined ? 0 : firstFrom(list, s.from)
  let end = s.to === undefined ? list.length : firstFrom(list, s.to)
  if (s.to !== undefined && list[end]?.id === s.to) end++
  if (s.limit !== undefined && end - begin > s.limit) {
    if (s.newest) begin = end - s.limit
    else end = begin + s.limit
  }
  return list.slice(begin, end)
}
