/**
 * What goes over the wire: frames, ids, and validators generated from the server's documents. No I/O, no state; tolerant of what
 * a newer server says. Start with frames.ts.
 */
export * from './frames'
export * from './ids'
export { closeCodes, errorCodes } from './generated-frames'
export type { ClientPayloads, Limits, Media, Message, MessageStatusPayload, Reaction, ServerErrorCode, WelcomePayload } from './generated-frames'
export * as restSchemas from './generated-rest'
export type * as Rest from './generated-rest'
