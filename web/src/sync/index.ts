/**
 * The engine: outbox, catch-up, windows of histories, receipts, presence, tabs. api.ts is its face and all that others use.
 * client.ts wires the parts; receive.ts and apply.ts are the way in, outbox.ts the way out, window.ts what is shown, state.ts
 * how all tabs read again what was written. simulation/ holds the model that the tests set faults against.
 */
export type * from './api'
export { ClientError } from '../transport'
export { createClient } from './client'
