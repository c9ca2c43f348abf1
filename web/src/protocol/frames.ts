import * as z from 'zod/mini'
import {
  conversationPayload, message, messageDeletedPayload, messageEditedPayload, pendingEvent, reactionPayload,
  serverPayloads, type ClientPayloads, type Message,
} from './generated-frames'

// zod would otherwise compile validators with new Function, which a strict content security policy reports.
z.config({ jitless: true })

type Payloads = typeof serverPayloads
type Plain = Exclude<keyof Payloads, 'pending_messages'>

/** An event of the log that is no message. */
export type LoggedEvent =
  | { type: 'message_edited'; eventId: string; payload: z.infer<typeof messageEditedPayload> }
  | { type: 'message_deleted'; eventId: string; payload: z.infer<typeof messageDeletedPayload> }
  | { type: 'reaction'; eventId: string; payload: z.infer<typeof reactionPayload> }
  | { type: 'conversation'; eventId: string; payload: z.infer<typeof conversationPayload> }

/** One entry of a batch. `unknown` is of a newer server: there is nothing to apply, but it must be acknowledged. */
export type BatchEntry =
  | { type: 'message'; eventId: string; message: Message }
  | LoggedEvent
  | { type: 'unknown'; eventId: string; name: string }

export interface Batch {
  /** In the order of the log. */
  entries: BatchEntry[]
  /** To acknowledge when all of it is stored. */
  eventId: string
  more: boolean
}

export type ServerFrame =
  | { [K in Plain]: { type: K; payload: z.infer<Payloads[K]> } }[Plain]
  | { type: 'pending_messages'; payload: Batch }
  /** A type that we don't know, or a shape that we don't: with an eventId it is acknowledged and else ignored. */
  | { type: 'unknown'; name: string; eventId?: string }

export type ClientFrame = { [K in keyof ClientPayloads]-?: { type: K; payload?: ClientPayloads[K] } }[keyof ClientPayloads]

const envelope = z.object({ type: z.string(), payload: z.optional(z.unknown()) })
const batch = z.object({
  messages: z.array(z.unknown()),
  events: z.array(z.unknown()),
  eventId: z.string(),
  more: z.boolean(),
})
const logged = {
  message_edited: messageEditedPayload,
  message_deleted: messageDeletedPayload,
  reaction: reactionPayload,
  conversation: conversationPayload,
}

function eventIdOf(value: unknown): string | undefined {
  const id = typeof value === 'object' && value !== null ? (value as { eventId?: unknown }).eventId : undefined
  return typeof id === 'string' && id !== '' ? id : undefined
}

function batchEvent(value: unknown): BatchEntry | undefined {
  const event = z.safeParse(pendingEvent, value)
  if (!event.success) {
    const eventId = eventIdOf(value)
    return eventId === undefined ? undefined : { type: 'unknown', eventId, name: '' }
  }
  const { type, eventId, payload } = event.data
  if (type in logged) {
    const parsed = z.safeParse<z.ZodMiniType>(logged[type as keyof typeof logged], payload)
    if (parsed.success) return { type, eventId, payload: parsed.data } as LoggedEvent
  }
  return { type: 'unknown', eventId, name: type }
}

function decodeBatch(payload: unknown): ServerFrame {
  const parsed = z.safeParse(batch, payload)
  if (!parsed.success) return { type: 'unknown', name: 'pending_messages' }
  const entries: BatchEntry[] = []
  for (const value of parsed.data.messages) {
    const one = z.safeParse(message, value)
    const eventId = eventIdOf(value)
    if (eventId === undefined) continue
    entries.push(one.success ? { type: 'message', eventId, message: one.data } : { type: 'unknown', eventId, name: 'message' })
  }
  for (const value of parsed.data.events) {
    const event = batchEvent(value)
    if (event) entries.push(event)
  }
  entries.sort((a, b) => (a.eventId < b.eventId ? -1 : a.eventId > b.eventId ? 1 : 0))
  return { type: 'pending_messages', payload: { entries, eventId: parsed.data.eventId, more: parsed.data.more } }
}

/** Reads one text frame of the server. Never throws for a frame of a newer server; undefined: it is no frame at all. */
export function decodeFrame(text: string): ServerFrame | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const outer = z.safeParse(envelope, value)
  if (!outer.success) return undefined
  const { type, payload } = outer.data
  if (type === 'pending_messages') return decodeBatch(payload)
  if (Object.hasOwn(serverPayloads, type)) {
    const parsed = z.safeParse<z.ZodMiniType>(serverPayloads[type as Plain], payload)
    if (parsed.success) return { type, payload: parsed.data } as ServerFrame
  }
  const eventId = eventIdOf(payload)
  return { type: 'unknown', name: type, ...(eventId === undefined ? {} : { eventId }) }
}

export function encodeFrame(frame: ClientFrame): string {
  return JSON.stringify(frame.payload === undefined ? { type: frame.type } : frame)
}
