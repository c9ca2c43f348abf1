/**
 * Where a client keeps its cache and its outbox: one interface, two engines, one suite. It holds records and which stretches of a
 * history are whole, and decides nothing. Start with storage.ts.
 */
export * from './eviction'
export * from './indexeddb'
export * from './memory'
export * from './order'
export * from './ranges'
export * from './records'
export * from './storage'
