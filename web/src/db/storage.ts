import type { ConversationRecord, MessageRecord, OutboxRecord, UserRecord } from './records'

/**
 * Where a client keeps its cache and its outbox. Two engines: IndexedDB in browsers, memory elsewhere; one suite tests both.
 *
 * The promises: what a write() did is there as a whole or not at all, also after a crash of the page, and when write() has
 * resolved it is there; writes happen one after the other, over all tabs; a function given to read() or write() awaits
 * nothing but the transaction it was given.
 */
export interface Storage {
  read<T>(run: (tx: Tx) => Promise<T>): Promise<T>
  write<T>(run: (tx: Tx) => Promise<T>): Promise<T>
  /** Removes everything. */
  wipe(): Promise<void>
  close(): void
}

export interface Tx {
  readonly conversations: Table<ConversationRecord, string>
  readonly messages: MessageTable
  readonly outbox: Table<OutboxRecord, string>
  /** The bytes of outgoing media by clientMessageId. */
  readonly blobs: { get(key: string): Promise<Blob | undefined>; put(key: string, blob: Blob): Promise<void>; delete(key: string): Promise<void> }
  readonly users: Table<UserRecord, string>
  /** Small single values by name, see MetaValues. */
  meta<K extends keyof MetaValues>(key: K): Promise<MetaValues[K] | undefined>
  setMeta<K extends keyof MetaValues>(key: K, value: MetaValues[K] | undefined): Promise<void>
}

export interface Table<R, K> {
  get(key: K): Promise<R | undefined>
  all(): Promise<R[]>
  put(record: R): Promise<void>
  delete(key: K): Promise<void>
}

export interface Stretch {
  /** Ids, both included; absent: no bound. */
  from?: string
  to?: string
  limit?: number
  /** Takes the limit from the newer end; the answer ascends all the same. */
  newest?: boolean
}

export interface MessageTable {
  get(conversationId: string, id: string): Promise<MessageRecord | undefined>
  byDedup(dedup: string): Promise<MessageRecord | undefined>
  /** Of a conversation, or of all; ascending. */
  stretch(conversationId: string | undefined, stretch: Stretch): Promise<MessageRecord[]>
  count(conversationId?: string): Promise<number>
  put(records: readonly MessageRecord[]): Promise<void>
  delete(conversationId: string, id: string): Promise<void>
  /** Removes a conversation's messages, or all. */
  clear(conversationId?: string): Promise<void>
  /** The n smallest ids over all conversations. */
  oldest(n: number): Promise<{ conversationId: string; id: string }[]>
}

export interface MetaValues {
  deviceId: string
  token: string
  user: UserRecord
  /** true: the server ended the session, and the user has not signed in again. */
  expired: boolean
  /** This device has been welcomed: its cursor stands at the server, and the log continues from what is here. */
  welcomed: boolean
  syncedUpTo: string
  /** Where the log began to continue the cache: the device's first cursor, or that of the last gap. */
  logFrom: string
  nextSeq: number
}
