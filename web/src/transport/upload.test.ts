import { describe, expect, it } from 'vitest'
import type { ClientError } from './errors'
import { Rest } from './rest'
import { seeded, SimClock } from './sim-clock'
import { partBytes, upload, type UploadProgress } from './upload'

/** A server that takes an upload, with faults by the number of the request. */
function setUp(size: number, faults: Record<number, 'cut' | 'busy' | 'half'> = {}) {
  const clock = new SimClock(0)
  const bytes = new Uint8Array(size).map((_, i) => i % 251)
  const stored = new Uint8Array(size)
  let reached = 0
  let puts = 0
  const ranges: (string | null)[] = []
  const tokens: (string | null)[] = []
  const rest = new Rest({
    base: 'http://x', clock, random: seeded(1), token: () => 'secret', cookies: false, online: () => true, onUnauthenticated: () => undefined,
    fetch: async (_url, init) => {
      const headers = new Headers(init!.headers)
      tokens.push(headers.get('Authorization'))
      if (init!.method === 'HEAD') return new Response(null, { status: 204, headers: { 'Upload-Offset': String(reached) } })
      const fault = faults[++puts]
      if (fault === 'cut') throw new TypeError('network')
      if (fault === 'busy') return new Response('{}', { status: 503 })
      const range = headers.get('Content-Range')
      ranges.push(range)
      const from = range ? Number(/bytes (\d+)-/.exec(range)![1]) : 0
      if (from !== reached) return new Response(JSON.stringify({ title: '', status: 409, code: 'CONFLICT' }), { status: 409 })
      const data = new Uint8Array(await (init!.body as Blob).arrayBuffer())
      const taken = fault === 'half' ? data.subarray(0, data.length / 2) : data
      stored.set(taken, from)
      reached = from + taken.length
      if (fault === 'half') throw new TypeError('network')
      return new Response(null, { status: 204 })
    },
  })
  const run = async (progress: Partial<UploadProgress> = {}, signal = new AbortController().signal) => {
    const seen: number[] = []
    const done = upload({
      rest, blob: new Blob([bytes]), contentType: 'a/b', signal, onProgress: (sent) => seen.push(sent),
      progress: { id: 'm', target: { url: '/api/v1/media/m/upload', method: 'PUT' }, offset: 0, ...progress },
    }).then(() => undefined, (error: unknown) => error as ClientError)
    for (let i = 0; i < 400; i++) await clock.advance(500)
    return { error: await done, seen }
  }
  return { run, ranges, tokens, whole: () => stored.every((b, i) => b === bytes[i]), set: (n: number) => (reached = n, stored.set(bytes.subarray(0, n))) }
}

describe('an upload', () => {
  it('goes whole when it is small', async () => {
    const u = setUp(1000)
    expect(await u.run()).toEqual({ error: undefined, seen: [1000] })
    expect(u.ranges).toEqual([null])
    expect(u.whole()).toBe(true)
  })

  it('goes in parts above 8 MiB', async () => {
    const u = setUp(partBytes * 2 + 5)
    expect((await u.run()).error).toBeUndefined()
    expect(u.ranges).toEqual([`bytes 0-${partBytes - 1}/${partBytes * 2 + 5}`, `bytes ${partBytes}-${2 * partBytes - 1}/${partBytes * 2 + 5}`, `bytes ${2 * partBytes}-${2 * partBytes + 4}/${partBytes * 2 + 5}`])
    expect(u.whole()).toBe(true)
  })

  it('goes on from where a broken part got to', async () => {
    const u = setUp(partBytes + 1000, { 1: 'half', 2: 'cut', 3: 'busy' })
    expect((await u.run()).error).toBeUndefined()
    expect(u.ranges[1]).toContain(`bytes ${partBytes / 2}-`)
    expect(u.whole()).toBe(true)
  })

  it('goes on after a reload, whatever was remembered', async () => {
    const u = setUp(partBytes + 1000)
    u.set(500)
    expect((await u.run({ offset: 100 })).error).toBeUndefined()
    expect(u.ranges[0]).toContain('bytes 500-')
    expect(u.whole()).toBe(true)
  })

  it('stops when it is cancelled', async () => {
    const u = setUp(1000, { 1: 'cut' })
    const abort = new AbortController()
    abort.abort()
    expect((await u.run({}, abort.signal)).error).toMatchObject({ code: 'CANCELLED' })
  })

  it('gives up after two minutes without progress', async () => {
    const u = setUp(1000, Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [i + 1, 'busy' as const])))
    expect((await u.run()).error).toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('sends parts elsewhere without the token', async () => {
    const u = setUp(1000)
    const { error } = await u.run({ target: { url: '', method: 'PUT', parts: [{ url: 'http://elsewhere/1', offset: 0, size: 1000 }] } })
    expect(error).toBeUndefined()
    expect(u.tokens).toEqual([null])
    expect(u.whole()).toBe(true)
  })
})
