import { beforeEach, describe, expect, it } from 'vitest'
import { seeded, SimClock } from '../transport/sim-clock'
import { conversationId, Phone, users } from './simulation/phone'
import { modelFetch } from './simulation/rest'
import { ModelServer } from './simulation/server'

const mediaId = 'eeeeeeee-0000-7000-8000-000000000001'
/** How long the whole of an upload takes, in ms. */
const takes = 5000

let clock: SimClock
let server: ModelServer
let phone: Phone
/** Uploads under way, and how many have ever been. */
let open: number, most: number, begun: number

beforeEach(async () => {
  open = most = begun = 0
  clock = new SimClock(Date.UTC(2026, 0, 2))
  server = new ModelServer(clock, seeded(3), users, conversationId)
  const model = modelFetch(server, () => true)
  phone = new Phone(server, users[0]!, 'aaaaaaaa-0000-7000-8000-000000000001', {
    fetch: async (input, init = {}) => {
      const path = new URL(input as string).pathname
      if (!path.startsWith('/api/v1/media')) return await model(input, init)
      if (init.method === 'HEAD') return answer(undefined, { 'Upload-Offset': '0' })
      if (init.method === 'PUT') {
        most = Math.max(most, ++open)
        begun++
        return await put(init.signal!).finally(() => { open-- })
      }
      return answer(path.endsWith('/complete') ? { id: mediaId, name: 'a.bin', size: 3, contentType: 'x/y', url: '' } : { id: mediaId, upload: { url: `/api/v1/media/${mediaId}/upload`, method: 'PUT' } })
    },
  })
  await clock.advance(2000)
})

function answer(body: unknown, headers: Record<string, string> = {}): Response {
  return { ok: true, status: 200, headers: new Headers(headers), json: () => Promise.resolve(body) } as Response
}

function put(signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    clock.setTimeout(() => { resolve(answer(undefined)) }, takes)
    signal.addEventListener('abort', () => { reject(new DOMException('aborted', 'AbortError')) })
  })
}

const outbox = () => phone.client.messages.outbox.get()
const sent = () => phone.frames.filter((f) => f.type === 'message')

async function attach(): Promise<string> {
  void phone.client.messages.send(conversationId, { content: '', media: new File(['abc'], 'a.bin', { type: 'x/y' }) }).catch(() => undefined)
  await clock.advance(1000)
  expect(outbox()[0]).toMatchObject({ upload: { state: 'uploading' } })
  return outbox()[0]!.clientMessageId!
}

describe('an upload', () => {
  it('that is stopped stays so, and goes on once', async () => {
    const id = await attach()
    phone.client.media.cancel(id)
    await clock.advance(2 * takes)
    expect(outbox()[0]).toMatchObject({ state: 'failed', upload: { state: 'paused' } })
    expect([begun, open]).toEqual([1, 0])
    phone.client.media.resume(id)
    await clock.advance(2 * takes)
    expect([begun, most]).toEqual([2, 1])
    expect(sent()).toHaveLength(1)
    expect(outbox()).toEqual([])
  })

  it('that is stopped and resumed at once, several times, is one at a time and one message', async () => {
    const id = await attach()
    for (let i = 0; i < 5; i++) {
      phone.client.media.cancel(id)
      phone.client.media.resume(id)
      await clock.advance(i * 7)
    }
    phone.client.media.cancel(id)
    await clock.advance(100)
    phone.client.media.resume(id)
    await clock.advance(3 * takes)
    expect(most).toBe(1)
    expect(sent()).toHaveLength(1)
    expect(outbox()).toEqual([])
  })

  it('that is discarded begins no other', async () => {
    const id = await attach()
    void phone.client.messages.discard(id)
    await clock.advance(2 * takes)
    expect([begun, open]).toEqual([1, 0])
    expect(outbox()).toEqual([])
    expect(sent()).toEqual([])
  })
})
