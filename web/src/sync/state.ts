import { writeWithRoom, type ConversationRecord, type OutboxRecord, type Storage, type Tx } from '../db'
import { ChangeSet } from './changes'
import { Signal } from './live'

/** Something that shows records, and reads again what changed. */
export interface Reader {
  /** Reads within the transaction; what it returns is run when everything was read, to show it all at one moment. */
  read(tx: Tx, change: ChangeSet): Promise<() => void>
}

/**
 * The records that every view needs, in memory as they are in the storage: conversations and the outbox. All writes of
 * the engine go through write, which lets every reader of this tab, and the other tabs, read again what was changed.
 */
export class State {
  readonly storage: Storage
  conversations: ReadonlyMap<string, ConversationRecord> = new Map()
  /** By order of sending, with what is being saved just now; and without, which is what may be sent. */
  outbox: readonly OutboxRecord[] = []
  saved: readonly OutboxRecord[] = []
  /** A write of this tab, for the others. */
  readonly wrote = new Signal<[ChangeSet]>()
  /** Everything that a change touched was read again. */
  readonly refreshed = new Signal<[ChangeSet]>()
  private readers = new Set<Reader>()
  private unsaved = new Map<string, OutboxRecord>()
  private pending = new ChangeSet()
  private writing = new Set<Promise<unknown>>()
  private refreshing: Promise<void> | undefined
  private closed = false
  /** Counts what was read again: who reads on its own sees whether that became stale meanwhile. */
  version = 0

  constructor(storage: Storage) {
    this.storage = storage
  }

  async open(): Promise<void> {
    await this.storage.read(async (tx) => {
      this.conversations = new Map((await tx.conversations.all()).map((c) => [c.id, c]))
      this.setSaved(await tx.outbox.all())
    })
  }

  /** Lets what is being written end. Later writes do nothing and never end: nobody waits for a closed client. */
  async close(): Promise<void> {
    this.closed = true
    await Promise.allSettled(this.writing)
    await this.refreshing
  }

  addReader(reader: Reader): () => void {
    this.readers.add(reader)
    return () => this.readers.delete(reader)
  }

  /** Writes, evicting old messages when there is no room; run may be called again. */
  write<T>(run: (tx: Tx, change: ChangeSet) => Promise<T>): Promise<T> {
    if (this.closed) return new Promise(() => undefined)
    const writing = this.writeNow(run)
    this.writing.add(writing)
    const done = () => this.writing.delete(writing)
    writing.then(done, done)
    return writing
  }

  private async writeNow<T>(run: (tx: Tx, change: ChangeSet) => Promise<T>): Promise<T> {
    let change = new ChangeSet()
    const result = await writeWithRoom(this.storage, () => this.storage.write((tx) => {
      change = new ChangeSet()
      return run(tx, change)
    }))
    if (!change.empty) {
      this.wrote.emit(change)
      void this.refresh(change)
    }
    return result
  }

  /** Reads again what changed here or in another tab; resolves when views show it. */
  refresh(change: ChangeSet): Promise<void> {
    this.pending.add(change)
    this.refreshing ??= this.refreshAll().finally(() => (this.refreshing = undefined))
    return this.refreshing
  }

  /** Resolves when everything that was written so far is shown. */
  async current(): Promise<void> {
    await this.refreshing
  }

  /** Reads apart from the changes, again when one came meanwhile. */
  async steady<T>(run: (tx: Tx) => Promise<T>): Promise<T> {
    for (;;) {
      const { version } = this
      const result = await this.storage.read(run)
      if (version === this.version) return result
    }
  }

  /** Shows an outgoing message before it is saved. */
  addUnsaved(record: OutboxRecord): void {
    this.unsaved.set(record.clientMessageId, record)
    this.mergeOutbox()
  }

  /** It is in the storage, or never will be. */
  dropUnsaved(clientMessageId: string): void {
    this.unsaved.delete(clientMessageId)
    this.mergeOutbox()
  }

  private async refreshAll(): Promise<void> {
    while (!this.pending.empty && !this.closed) {
      const change = this.pending
      this.pending = new ChangeSet()
      const show = await this.storage.read(async (tx) => {
        const steps: (() => void)[] = []
        if (change.conversations.size > 0) {
          const next = new Map(this.conversations)
          for (const id of change.conversations) {
            const record = await tx.conversations.get(id)
            if (record) next.set(id, record)
            else next.delete(id)
          }
          steps.push(() => (this.conversations = next))
        }
        if (change.outbox) {
          const all = await tx.outbox.all()
          steps.push(() => this.setSaved(all))
        }
        for (const reader of this.readers) steps.push(await reader.read(tx, change))
        return steps
      }).catch((error: unknown) => {
        if (this.closed) return []
        throw error
      })
      this.version++
      for (const step of show) step()
      this.refreshed.emit(change)
    }
  }

  private setSaved(records: OutboxRecord[]): void {
    this.saved = records.sort((a, b) => a.seq - b.seq)
    this.mergeOutbox()
  }

  private mergeOutbox(): void {
    const saved = this.saved.filter((r) => !this.unsaved.has(r.clientMessageId))
    this.outbox = this.unsaved.size === 0 ? this.saved : [...saved, ...this.unsaved.values()].sort((a, b) => a.seq - b.seq)
  }
}
