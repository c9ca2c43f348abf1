import { beforeEach, describe, expect, it } from 'vitest'
import { MemoryStorage } from '../db'
import { rest, seeded, SimClock } from '../transport/sim-clock'
import { conversationId, Phone, users } from './simulation/phone'
import { ModelServer } from './simulation/server'

/** Web Locks, as far as one exclusive lock goes. */
class Locks {
  private queue: (() => Promise<void>)[] = []
  private held = false

  request = ((_name: string, options: { signal?: AbortSignal }, run: () => Promise<void>) => {
    this.queue.push(async () => {
      if (!options.signal?.aborted) await run()
    })
    void this.next()
    return Promise.resolve()
  }) as unknown as LockManager['request']

  private async next(): Promise<void> {
    if (this.held) return
    const run = this.queue.shift()
    if (!run) return
    this.held = true
    await run()
    this.held = false
    void this.next()
  }
}

let clock: SimClock
let server: ModelServer
let tabs: Phone[]

/** Messages between tabs take the platform's time, not the simulated one. */
async function pass(ms: number): Promise<void> {
  for (let i = 0; i < 10; i++) {
    await clock.advance(ms / 10)
    for (let k = 0; k < 5; k++) await rest()
  }
}

beforeEach(async () => {
  clock = new SimClock(Date.UTC(2026, 0, 2))
  server = new ModelServer(clock, seeded(5), users, conversationId)
  const storage = new MemoryStorage()
  const locks = new Locks()
  const device = 'aaaaaaaa-0000-7000-8000-000000000001'
  tabs = [0, 1].map(() => new Phone(server, users[0]!, device, { storage, locks: locks as unknown as LockManager }))
  await pass(3000)
})

const sessions = () => [...server.sessions].length

describe('tabs of one storage', () => {
  it('have one socket, and all know how it is', async () => {
    expect(tabs.map((t) => t.client.connection.isLeader())).toEqual([true, false])
    expect(sessions()).toBe(1)
    expect(tabs.map((t) => t.client.connection.get().state)).toEqual(['live', 'live'])
    for (const t of tabs) await t.client.close()
  })

  it('send and show each other', async () => {
    const w = tabs.map((t) => t.client.messages.open(conversationId))
    await pass(500)
    void tabs[1]!.client.messages.send(conversationId, { content: 'from the second' })
    expect(w[1]!.get().items.at(-1)).toMatchObject({ content: 'from the second', state: 'pending' })
    await pass(2000)
    expect(server.messages.map((m) => m.content)).toEqual(['from the second'])
    for (const x of w) expect(x.get().items).toMatchObject([{ content: 'from the second', state: 'sent' }])
    tabs[1]!.client.conversations.typing(conversationId)
    await pass(500)
    expect(tabs[0]!.frames.at(-1)?.type).toBe('typing')
    for (const t of tabs) await t.client.close()
  })

  it('go on when the leading one is closed, with what it left in the outbox', async () => {
    tabs[0]!.client.connection.goOffline()
    await pass(500)
    expect(tabs.map((t) => t.client.connection.get().state)).toEqual(['offline', 'offline'])
    void tabs[0]!.client.messages.send(conversationId, { content: 'left behind' })
    await pass(500)
    await tabs[0]!.client.close()
    tabs[1]!.client.connection.goOnline()
    await pass(5000)
    expect(tabs[1]!.client.connection.isLeader()).toBe(true)
    expect(tabs[1]!.client.connection.get().state).toBe('live')
    expect(server.messages.map((m) => m.content)).toEqual(['left behind'])
    expect(tabs[1]!.frames.find((f) => f.type === 'message')?.payload).toMatchObject({ resend: true })
    await tabs[1]!.client.close()
  })

  it('are signed out together', async () => {
    await Promise.all([tabs[1]!.client.session.logout(), pass(2000)])
    expect(tabs.map((t) => t.client.session.get().state)).toEqual(['signed-out', 'signed-out'])
    expect(sessions()).toBe(0)
    for (const t of tabs) await t.client.close()
  })
})
