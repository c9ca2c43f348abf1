import { describe, expect, it } from 'vitest'
import { decodeFrame, encodeFrame } from './frames'
import { idAt, idTimeMs, laterId, uuidMaker } from './ids'

const user = '0190a0b0-0000-7000-8000-000000000001'
const message = {
  id: '0G7RM3T6P0800', conversationId: user, senderId: user, content: 'a\u0000b', contentType: 'text',
  createdAt: '2026-01-02T03:04:05.678Z', clientMessageId: user, eventId: '0G7RM3T6P0900', somethingNew: { deep: 1 },
}
const text = (type: string, payload?: unknown) => JSON.stringify({ type, payload, alsoNew: true })

describe('frames', () => {
  it('reads a message and drops what it does not know', () => {
    const frame = decodeFrame(text('message', message))
    expect(frame?.type).toBe('message')
    expect(frame).toMatchObject({ payload: { content: 'a\u0000b', eventId: '0G7RM3T6P0900' } })
    expect(frame).not.toHaveProperty('payload.somethingNew')
  })

  it('reads frames without payload', () => {
    expect(decodeFrame(text('pong'))).toMatchObject({ type: 'pong' })
  })

  it('takes what a newer server sends, and keeps the event to acknowledge', () => {
    expect(decodeFrame(text('hologram', { eventId: '0G7RM3T6P0900' }))).toEqual({ type: 'unknown', name: 'hologram', eventId: '0G7RM3T6P0900' })
    expect(decodeFrame(text('message', { ...message, contentType: 'smell' }))).toEqual({ type: 'unknown', name: 'message', eventId: '0G7RM3T6P0900' })
    expect(decodeFrame(text('toString'))).toEqual({ type: 'unknown', name: 'toString' })
  })

  it('calls what is no frame no frame', () => {
    for (const bad of ['', '{', '[]', 'null', '{"payload":{}}', '{"type":7}']) expect(decodeFrame(bad)).toBeUndefined()
  })

  it('puts a batch into the order of the log, unknown entries included', () => {
    const frame = decodeFrame(text('pending_messages', {
      messages: [message, { ...message, eventId: '0G7RM3T6P0902', contentType: 'smell' }],
      events: [
        { type: 'reaction', eventId: '0G7RM3T6P0901', payload: { conversationId: user, messageId: message.id, userId: user, emoji: '👍' } },
        { type: 'hologram', eventId: '0G7RM3T6P08ZZ', payload: {} },
      ],
      eventId: '0G7RM3T6P0902', more: true,
    }))
    expect(frame?.type).toBe('pending_messages')
    if (frame?.type !== 'pending_messages') return
    expect(frame.payload.entries.map((e) => e.type)).toEqual(['unknown', 'message', 'reaction', 'unknown'])
    expect(frame.payload.more).toBe(true)
  })

  it('writes frames', () => {
    expect(encodeFrame({ type: 'ping' })).toBe('{"type":"ping"}')
    expect(JSON.parse(encodeFrame({ type: 'typing', payload: { conversationId: user } }))).toEqual({ type: 'typing', payload: { conversationId: user } })
  })
})

describe('ids', () => {
  it('tells the time of an id', () => {
    // 1024 ms after the start of 2024, lowest slot and sequence: 2^32.
    expect(idTimeMs('0000004000000')).toBe(Date.UTC(2024, 0, 1, 0, 0, 1, 24))
    expect(idTimeMs('?')).toBeNaN()
    expect(idAt(Date.UTC(2024, 0, 1, 0, 0, 1, 24))).toBe('0000004000000')
    expect(idTimeMs(idAt(Date.UTC(2026, 10, 22, 11, 5, 0, 7)))).toBe(Date.UTC(2026, 10, 22, 11, 5, 0, 7))
    expect(idAt(0)).toBe('0000000000000')
  })

  it('makes version 7 UUIDs that sort, also when the clock stands or steps back', () => {
    let now = 1_700_000_000_000
    const make = uuidMaker(() => now, Math.random)
    const made = Array.from({ length: 10_000 }, (_, i) => {
      if (i === 5000) now -= 60_000
      return make()
    })
    expect(new Set(made).size).toBe(made.length)
    expect([...made].sort()).toEqual(made)
    for (const id of made) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it('compares ids', () => {
    expect(laterId(undefined, undefined)).toBeUndefined()
    expect(laterId('A', undefined)).toBe('A')
    expect(laterId('A', 'B')).toBe('B')
  })
})
