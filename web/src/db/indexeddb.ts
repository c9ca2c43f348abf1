import Dexie, { type Table as DexieTable, type Transaction, type TransactionMode } from 'dexie'
import type { ConversationRecord, MessageRecord, OutboxRecord, UserRecord } from './records'
import type { MessageTable, MetaValues, Storage, Stretch, Table, Tx } from './storage'

const first = ''
const last = '\uffff'

/** A store in the browser's database, shared by all tabs of the page's origin. */
export class IndexedDbStorage implements Storage {
  private readonly db: Dexie

  constructor(name: string, parts?: { indexedDB: IDBFactory; IDBKeyRange: typeof IDBKeyRange }) {
    // Promises of the cache are kept by strict durability: an ack goes out when the disk has the event.
    this.db = new Dexie(name, { chromeTransactionDurability: 'strict', ...parts })
    this.db.version(1).stores({
      conversations: 'id',
      messages: '[conversationId+id], id, dedup',
      outbox: 'clientMessageId',
      blobs: '',
      users: 'id',
      meta: '',
    })
  }

  read<T>(run: (tx: Tx) => Promise<T>): Promise<T> {
    return this.run('r', run)
  }

  write<T>(run: (tx: Tx) => Promise<T>): Promise<T> {
    return this.run('rw', run)
  }

  async wipe(): Promise<void> {
    await this.db.transaction('rw', this.db.tables, () => Promise.all(this.db.tables.map((t) => t.clear())))
  }

  close(): void {
    this.db.close()
  }

  private async run<T>(mode: TransactionMode, run: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      return await this.db.transaction(mode, this.db.tables, (transaction) => run(bound(transaction)))
    } catch (error) {
      // The engine looks for the browser's own name, however deep Dexie wrapped it.
      const inner = (error as { inner?: unknown }).inner
      if (inner instanceof Error && inner.name === 'QuotaExceededError') throw inner
      throw error
    }
  }
}

/**
 * The tables of one transaction. Dexie would find the transaction by itself, but after a row of awaits without a request it
 * loses sight of it, and the transaction commits too early.
 */
function bound(transaction: Transaction): Tx {
  const blobs = transaction.table<Blob, string>('blobs')
  const meta = transaction.table<unknown, string>('meta')
  return {
    conversations: simple(transaction.table<ConversationRecord, string>('conversations')),
    messages: messageTable(transaction.table<MessageRecord, [string, string]>('messages')),
    outbox: simple(transaction.table<OutboxRecord, string>('outbox')),
    users: simple(transaction.table<UserRecord, string>('users')),
    blobs: {
      get: async (key) => blobs.get(key),
      put: async (key, blob) => void (await blobs.put(blob, key)),
      delete: async (key) => blobs.delete(key),
    },
    meta: async (key) => (await meta.get(key)) as MetaValues[typeof key] | undefined,
    setMeta: async (key, value) => {
      if (value === undefined) await meta.delete(key)
      else await meta.put(value, key)
    },
  }
}

function simple<R>(t: DexieTable<R, string>): Table<R, string> {
  return {
    get: async (key) => t.get(key),
    all: async () => t.toArray(),
    put: async (record) => void (await t.put(record)),
    delete: async (key) => t.delete(key),
  }
}

function messageTable(t: DexieTable<MessageRecord, [string, string]>): MessageTable {
  const between = (conversationId: string | undefined, s: Stretch) => conversationId === undefined
    ? t.where('id').between(s.from ?? first, s.to ?? last, true, true)
    : t.where('[conversationId+id]').between([conversationId, s.from ?? first], [conversationId, s.to ?? last], true, true)
  return {
    get: async (conversationId, id) => t.get([conversationId, id]),
    byDedup: async (dedup) => t.where('dedup').equals(dedup).first(),
    stretch: async (conversationId, s) => {
      const found = between(conversationId, s)
      if (s.limit === undefined || s.limit < 1) return s.limit === undefined ? found.toArray() : []
      if (!s.newest) return found.limit(s.limit).toArray()
      // Read backward they would come one by one, each in a task of its own: only where to begin is looked for that way.
      const [start] = await found.reverse().offset(s.limit - 1).limit(1).primaryKeys()
      return between(conversationId, start === undefined ? s : { ...s, from: start[1] }).toArray()
    },
    count: async (conversationId) => (conversationId === undefined ? t.count() : between(conversationId, {}).count()),
    put: async (records) => void (await t.bulkPut([...records])),
    delete: async (conversationId, id) => t.delete([conversationId, id]),
    clear: async (conversationId) => {
      if (conversationId === undefined) await t.clear()
      else await between(conversationId, {}).delete()
    },
    oldest: async (n) => (await t.orderBy('id').limit(n).primaryKeys()).map(([conversationId, id]) => ({ conversationId, id })),
  }
}
