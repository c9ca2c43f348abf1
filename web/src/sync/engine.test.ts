import { beforeEach, describe, expect, it } from 'vitest'
import { MemoryStorage } from '../db'
import { rest, seeded, SimClock } from '../transport/sim-clock'
import { conversationId, Phone, users } from './simulation/phone'
import { ModelServer } from './simulation/server'

const [self, other] = users as [string, string]
let clock: SimClock
let server: ModelServer
let phone: Phone
let n = 0

function live(content: string): string {
  const { message } = server.send(other, { content, clientMessageId: `eeeeeeee-0000-7000-8000-${String(++n).padStart(12, '0')}` })
  server.log('message', message.id, {})
  return message.id
}

const sent = (type: string) => phone.frames.filter((f) => f.type === type).map((f) => f.payload)
const conversation = () => phone.client.conversations.get()[0]!

beforeEach(async () => {
  clock = new SimClock(Date.UTC(2026, 0, 2))
  server = new ModelServer(clock, seeded(3), users, conversationId)
  phone = new Phone(server, self, 'aaaaaaaa-0000-7000-8000-000000000001')
  await clock.advance(2000)
})

describe('the engine', () => {
  it('gathers acks for 100 ms, after it has stored', async () => {
    const stored: number[] = []
    phone.client.onEvent((e) => {
      if (e.kind === 'frame' && e.type === 'ack') void phone.storage.read((tx) => tx.messages.count()).then((c) => stored.push(c))
    })
    live('one')
    live('two')
    await clock.advance(60)
    expect(sent('ack')).toEqual([])
    await clock.advance(150)
    expect(sent('ack')).toEqual([{ messageIds: server.messages.map((m) => m.id) }])
    await rest()
    expect(stored).toEqual([2])
  })

  it('does not acknowledge what it could not store, and gets it again', async () => {
    const { write } = phone.storage
    phone.storage.write = () => Promise.reject(new Error('disk'))
    live('hard')
    await clock.advance(200)
    expect(sent('ack')).toEqual([])
    phone.storage.write = write
    await clock.advance(10_000)
    expect(phone.heard).toEqual(server.messages.map((m) => m.id))
    expect(sent('ack')).toHaveLength(1)
  })

  it('counts what is unread, and reads forward only, also what was read offline', async () => {
    const first = live('one')
    const second = live('two')
    await clock.advance(500)
    expect(conversation().unreadCount).toBe(2)
    phone.reachable = false
    phone.socket!.cut()
    await clock.advance(2000)
    phone.client.conversations.markRead(conversationId, second)
    phone.client.conversations.markRead(conversationId, first)
    await clock.advance(500)
    expect(conversation()).toMatchObject({ unreadCount: 0, readUpTo: second })
    expect(sent('read')).toEqual([])
    phone.reachable = true
    await clock.advance(60_000)
    expect(sent('read')).toEqual([{ conversationId, upToMessageId: second }])
    expect(conversation().unreadCount).toBe(0)
  })

  it('sends typing every 2 s at most, and shows it for 3 s', async () => {
    const { conversations } = phone.client
    for (let i = 0; i < 30; i++) {
      conversations.typing(conversationId)
      await clock.advance(100)
    }
    expect(sent('typing')).toHaveLength(2)
    conversations.typing(conversationId, false)
    expect(sent('typing').at(-1)).toMatchObject({ isTyping: false })

    const type = () => phone.socket!.push({ type: 'typing', payload: { conversationId, userId: other, username: 'user1', isTyping: true } })
    type()
    await clock.advance(100)
    expect(conversation().typing).toEqual([{ userId: other, displayName: 'User 1' }])
    await clock.advance(3000)
    expect(conversation().typing).toEqual([])
    type()
    await clock.advance(100)
    live('typed')
    await clock.advance(100)
    expect(conversation().typing).toEqual([])
  })

  it('keeps its interest in presence alive, on each connection', async () => {
    const presence = phone.client.presence.of(other)
    const leave = presence.subscribe(() => undefined)
    await clock.advance(100)
    expect(sent('presence')).toEqual([{ userIds: [other] }])
    phone.socket!.push({ type: 'presence', payload: { userId: other, status: 'online' } })
    await clock.advance(100)
    expect(presence.get()).toEqual({ status: 'online' })
    await clock.advance(4 * 60_000)
    expect(sent('presence')).toHaveLength(2)
    phone.socket!.cut()
    await clock.advance(10_000)
    expect(sent('presence')).toHaveLength(3)
    leave()
    await clock.advance(10 * 60_000)
    expect(sent('presence')).toHaveLength(3)
  })

  it('knows the clock of the server', async () => {
    const ahead = 90_000
    server.now = () => new Date(clock.now() + ahead).toISOString()
    phone.socket!.cut()
    await clock.advance(10_000)
    expect(Math.abs(phone.client.connection.clockSkewMs() - ahead)).toBeLessThan(100)
    void phone.client.messages.send(conversationId, { content: 'x' })
    expect(Date.parse(phone.client.messages.outbox.get()[0]!.createdAt) - clock.now()).toBeGreaterThan(ahead - 100)
  })

  it('keeps cache and outbox when the server ends the session, and goes on when the user is back', async () => {
    live('kept')
    await clock.advance(500)
    phone.socket!.cut(4002)
    await clock.advance(5000)
    void phone.client.messages.send(conversationId, { content: 'unsent' })
    await clock.advance(60_000)
    expect(phone.client.session.get()).toMatchObject({ state: 'expired', user: { id: self } })
    expect(phone.client.connection.get()).toMatchObject({ state: 'refused', reason: 'signed-out' })
    expect(conversation().lastMessage?.content).toBe('unsent')
    expect(sent('message')).toEqual([])
    await phone.reload() // with a token that holds
    await clock.advance(5000)
    expect(phone.client.session.get().state).toBe('signed-in')
    expect(server.messages.map((m) => m.content)).toEqual(['kept', 'unsent'])
  })

  it('is replaced by the same device elsewhere and takes over only when asked', async () => {
    phone.socket!.cut(4001)
    await clock.advance(120_000)
    expect(phone.client.connection.get()).toEqual({ state: 'replaced' })
    phone.client.connection.reconnect()
    await clock.advance(2000)
    expect(phone.client.connection.get().state).toBe('live')
  })

  it('goes offline and online when told, and REST with it', async () => {
    phone.client.connection.goOffline()
    await clock.advance(1000)
    expect(phone.client.connection.get()).toMatchObject({ state: 'offline', manual: true })
    await expect(phone.client.session.me()).rejects.toMatchObject({ code: 'OFFLINE' })
    live('missed')
    phone.client.connection.goOnline()
    await clock.advance(5000)
    expect(conversation().lastMessage?.content).toBe('missed')
    phone.client.connection.killConnection()
    expect(phone.client.connection.get()).toMatchObject({ state: 'offline', manual: false })
    await clock.advance(5000)
    expect(phone.client.connection.get().state).toBe('live')
    expect(phone.client.stats.get().reconnects).toBe(2)
  })

  it('shows a message that the log has under two ids once, under the smaller', async () => {
    const first = live('twice')
    await clock.advance(500)
    const twin = { ...server.messages[0]!, id: server.id() }
    phone.socket!.push({ type: 'message', payload: { ...server.wire(twin, self), eventId: server.id() } })
    await clock.advance(500)
    const w = phone.client.messages.open(conversationId)
    await clock.advance(500)
    expect(w.get().items.map((m) => m.id)).toEqual([first])
    expect(phone.heard).toEqual([first])
  })

  it('drops the cache at a gap, keeps the outbox, and reads history', async () => {
    for (let i = 0; i < 5; i++) live(`m${i}`)
    await clock.advance(1000)
    const w = phone.client.messages.open(conversationId)
    await clock.advance(500)
    phone.socket!.push({ type: 'gap', payload: { cursor: server.id() } })
    phone.socket!.cut()
    await clock.advance(10_000)
    void w.jumpToNewest()
    w.close()
    const again = phone.client.messages.open(conversationId)
    await clock.advance(1000)
    expect(again.get().items.map((m) => m.content)).toEqual(['m0', 'm1', 'm2', 'm3', 'm4'])
  })

  it('finds words in what is cached, newest first', async () => {
    for (const text of ['The quick fox', 'a slow FOX', 'no dog']) live(text)
    await clock.advance(1000)
    const found = async (query: string) => (await phone.client.messages.searchCached(query)).map((h) => h.message.content)
    expect(await found('fox')).toEqual(['a slow FOX', 'The quick fox'])
    expect(await found('fox  quick')).toEqual(['The quick fox'])
    expect(await found('  ')).toEqual([])
  })

  it('keeps the cache within its limit, the outbox apart', async () => {
    const storage = new MemoryStorage()
    const small = new Phone(server, self, 'aaaaaaaa-0000-7000-8000-000000000002', { storage, cacheLimit: 20 })
    await clock.advance(2000)
    for (let i = 0; i < 50; i++) live(`m${i}`)
    await clock.advance(2000)
    small.client.conversations.markRead(conversationId, server.messages.at(-1)!.id)
    await clock.advance(500)
    small.socket!.cut()
    await clock.advance(10_000)
    const w = small.client.messages.open(conversationId, { pageSize: 10 })
    await clock.advance(500)
    expect(await storage.read((tx) => tx.messages.count(conversationId))).toBe(20)
    expect(w.get().hasOlder).toBe(true)
    void w.loadOlder()
    await clock.advance(500)
    void w.loadOlder()
    await clock.advance(500)
    expect(w.get().items.map((m) => m.content)).toEqual(Array.from({ length: 30 }, (_, i) => `m${i + 20}`))
    await small.client.close()
  })

  it('removes everything of one user before another signs in', async () => {
    live('private')
    await clock.advance(500)
    await phone.client.close()
    const storage: MemoryStorage = phone.storage
    const next = new Phone(server, other, 'bbbbbbbb-0000-7000-8000-000000000001', { storage })
    await clock.advance(3000)
    expect(next.client.session.get().user?.id).toBe(other)
    expect(await storage.read((tx) => tx.outbox.all())).toEqual([])
    expect(next.client.messages.outbox.get()).toEqual([])
    await next.client.close()
  })
})
