import { describe, expect, it } from 'vitest'
import { Endpoints } from './endpoints'
import type { ClientError } from './errors'
import { Rest } from './rest'
import { seeded, SimClock } from './sim-clock'

type Answer = { status: number; body?: unknown; headers?: Record<string, string> } | 'network'

function setUp(...answers: Answer[]) {
  const clock = new SimClock(0)
  const calls: { url: string; method: string; headers: Headers; body: unknown }[] = []
  let signedOut = 0
  let online = true
  const rest = new Rest({
    base: 'http://x', clock, random: seeded(1), token: () => 'secret', cookies: false, online: () => online, onUnauthenticated: () => signedOut++,
    fetch: (url, init) => {
      calls.push({ url: url as string, method: init!.method!, headers: new Headers(init!.headers), body: init!.body })
      const a = answers.length > 1 ? answers.shift()! : answers[0]!
      if (a === 'network') return Promise.reject(new TypeError('network'))
      return Promise.resolve(new Response(a.body === undefined ? null : JSON.stringify(a.body), { status: a.status, headers: a.headers ?? {} }))
    },
  })
  const settled = async <T>(p: Promise<T>) => {
    const outcome = p.then((value) => ({ value }), (error: unknown) => ({ error: error as ClientError }))
    await clock.advance(20_000)
    return outcome
  }
  return { api: new Endpoints(rest), calls, settled, signedOut: () => signedOut, offline: () => (online = false) }
}

const user = { id: '0190a0b0-0000-7000-8000-000000000001', username: 'u', displayName: 'U', ofANewerServer: 1 }
const problem = (status: number, code: string, more = {}) => ({ status, body: { title: code, status, code, ...more } })

describe('the REST client', () => {
  it('sends the token and drops what it does not know', async () => {
    const { api, calls, settled } = setUp({ status: 200, body: user })
    const { ofANewerServer: _, ...known } = user
    expect(await settled(api.me())).toEqual({ value: known })
    expect(calls[0]!.headers.get('Authorization')).toBe('Bearer secret')
    expect(calls[0]!.url).toBe('http://x/api/v1/me')
  })

  it('names the field at fault', async () => {
    const { api, settled } = setUp(problem(400, 'VALIDATION_ERROR', { detail: 'too short', errors: [{ field: 'password', message: 'too short' }, { field: 'username', message: 'taken' }] }))
    const { error } = await settled(api.register({ username: 'a', password: 'b' })) as { error: ClientError }
    expect(error).toMatchObject({ code: 'VALIDATION_ERROR', field: 'password', fields: { password: 'too short', username: 'taken' }, message: 'too short', retryable: false })
  })

  it('tries again only where that is harmless and the code says so', async () => {
    const busy = problem(503, 'UNAVAILABLE')
    const get = setUp(busy, busy, { status: 200, body: user })
    expect(await get.settled(get.api.me())).toHaveProperty('value')
    expect(get.calls).toHaveLength(3)

    const post = setUp(busy)
    expect(await post.settled(post.api.createConversation({ type: 'group', participantIds: [] }))).toMatchObject({ error: { code: 'UNAVAILABLE' } })
    expect(post.calls).toHaveLength(1)

    const never = setUp(busy)
    expect(await never.settled(never.api.me())).toMatchObject({ error: { code: 'UNAVAILABLE', retryable: true } })
    expect(never.calls).toHaveLength(3)

    const forbidden = setUp(problem(403, 'FORBIDDEN'))
    expect(await forbidden.settled(forbidden.api.me())).toMatchObject({ error: { code: 'FORBIDDEN' } })
    expect(forbidden.calls).toHaveLength(1)
  })

  it('waits as long as a rate limit says, when that is short, and else tells', async () => {
    const limited = setUp({ ...problem(429, 'RATE_LIMITED'), headers: { 'Retry-After': '2' } }, { status: 201, body: { id: 'x', upload: { url: '/u', method: 'PUT' } } })
    expect(await limited.settled(limited.api.newMedia({ contentType: 'a/b', size: 1, name: 'n' }))).toHaveProperty('value')
    const long = setUp(problem(429, 'RATE_LIMITED', { retryAfterMs: 60_000 }))
    expect(await long.settled(long.api.me())).toMatchObject({ error: { code: 'RATE_LIMITED', retryAfterMs: 60_000 } })
    expect(long.calls).toHaveLength(1)
  })

  it('says OFFLINE when nobody answers, and asks nobody when it is to be offline', async () => {
    const { api, calls, settled, offline } = setUp('network')
    expect(await settled(api.me())).toMatchObject({ error: { code: 'OFFLINE', retryable: true } })
    offline()
    expect(await settled(api.me())).toMatchObject({ error: { code: 'OFFLINE' } })
    expect(calls).toHaveLength(1)
  })

  it('tells of a lost session, but not of a wrong password', async () => {
    const { api, settled, signedOut } = setUp(problem(401, 'UNAUTHENTICATED'))
    await settled(api.login({ username: 'a', password: 'b' }))
    expect(signedOut()).toBe(0)
    await settled(api.me())
    expect(signedOut()).toBe(1)
  })

  it('makes something of an answer that is no problem document', async () => {
    const proxy = setUp({ status: 502, body: 'bad gateway' })
    expect(await proxy.settled(proxy.api.me())).toMatchObject({ error: { code: 'UNAVAILABLE' } })
    const wrong = setUp({ status: 200, body: { hello: 1 } })
    expect(await wrong.settled(wrong.api.me())).toMatchObject({ error: { code: 'INTERNAL' } })
    const newer = setUp(problem(409, 'SOMETHING_NEW'))
    expect(await newer.settled(newer.api.me())).toMatchObject({ error: { code: 'CONFLICT' } })
  })
})
