import { beforeEach, describe, expect, it } from 'vitest'
import { rest, seeded, SimClock } from '../transport/sim-clock'
import { conversationId, Phone, users } from './simulation/phone'
import { ModelServer } from './simulation/server'

let clock: SimClock
let server: ModelServer
let phone: Phone

/** Messages that were there before the device was, of which some were read elsewhere. */
function past(n: number, read = n): void {
  for (let i = 0; i < n; i++) server.send(users[1]!, { content: `m${i}`, clientMessageId: `dddddddd-0000-7000-8000-${String(i).padStart(12, '0')}` })
  if (read > 0) server.mark(users[0]!, 'readTo', server.messages[read - 1]!.id)
}

/** One now, by way of the log. */
function live(content: string): void {
  const { message } = server.send(users[1]!, { content, clientMessageId: `eeeeeeee-0000-7000-8000-${String(server.messages.length).padStart(12, '0')}` })
  server.log('message', message.id, {})
}

beforeEach(() => {
  clock = new SimClock(Date.UTC(2026, 0, 2))
  server = new ModelServer(clock, seeded(3), users, conversationId)
})

async function start(): Promise<void> {
  phone = new Phone(server, users[0]!, 'aaaaaaaa-0000-7000-8000-000000000001')
  await clock.advance(2000)
}

async function open(around?: string) {
  const w = phone.client.messages.open(conversationId, { pageSize: 10, ...(around === undefined ? {} : { around }) })
  await clock.advance(1000)
  return w
}

const texts = (w: { get(): { items: readonly { content: string }[] } }) => w.get().items.map((m) => m.content)
const run = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `m${from + i}`)

describe('a window', () => {
  it('begins at the end and grows backward to the start', async () => {
    past(35)
    await start()
    const w = await open()
    expect(texts(w)).toEqual(run(25, 34))
    expect(w.get()).toMatchObject({ hasOlder: true, hasNewer: false, loaded: true })
    for (let i = 0; i < 3; i++) {
      void w.loadOlder()
      await clock.advance(500)
    }
    expect(texts(w)).toEqual(run(0, 34))
    expect(w.get().hasOlder).toBe(false)
    expect(await phone.storage.read((tx) => tx.messages.count(conversationId))).toBe(35)
  })

  it('follows what comes, and shows the cache without a network', async () => {
    past(5)
    await start()
    const w = await open()
    live('new')
    await clock.advance(200)
    expect(texts(w)).toEqual([...run(0, 4), 'new'])
    w.close()
    phone.reachable = false
    await phone.reload()
    await clock.advance(1000)
    const again = await open()
    expect(texts(again)).toEqual([...run(0, 4), 'new'])
  })

  it('jumps to a message far away and comes back over the hole', async () => {
    past(100)
    await start()
    const w = await open()
    const target = server.messages[20]!
    const jump = w.jumpTo(target.id)
    await clock.advance(500)
    expect(await jump).toBe(true)
    expect(texts(w)).toContain('m20')
    expect(w.get()).toMatchObject({ hasNewer: true, hasOlder: true })
    expect(texts(w)).not.toContain('m99')
    live('meanwhile')
    await clock.advance(500)
    expect(texts(w)).not.toContain('meanwhile')
    for (let i = 0; i < 12 && w.get().hasNewer; i++) {
      void w.loadNewer()
      await clock.advance(500)
    }
    expect(texts(w).slice(texts(w).indexOf('m20'))).toEqual([...run(20, 99), 'meanwhile'])
    expect(w.get().hasNewer).toBe(false)
    const nowhere = w.jumpTo('0000000000001')
    await clock.advance(500)
    expect(await nowhere).toBe(false)
    void w.jumpToNewest()
    await clock.advance(500)
    expect(texts(w).at(-1)).toBe('meanwhile')
  })

  it('opens around a message', async () => {
    past(60)
    await start()
    const w = await open(server.messages[30]!.id)
    expect(texts(w)).toContain('m30')
    expect(w.get().hasNewer).toBe(true)
    void w.jumpToNewest()
    await clock.advance(500)
    expect(texts(w).at(-1)).toBe('m59')
    expect(w.get().hasNewer).toBe(false)
  })

  it('marks the first unread message and keeps the mark', async () => {
    past(20, 17)
    await start()
    const w = await open()
    expect(w.get().firstUnreadId).toBe(server.messages[17]!.id)
    phone.client.conversations.markRead(conversationId, server.messages[19]!.id)
    await clock.advance(1000)
    expect(phone.client.conversations.get()[0]!.unreadCount).toBe(0)
    expect(server.receipts.get(users[0]!)?.readTo).toBe(server.messages[19]!.id)
    expect(w.get().firstUnreadId).toBe(server.messages[17]!.id)
  })

  it('keeps the objects of what did not change', async () => {
    past(5)
    await start()
    const w = await open()
    const before = w.get().items
    live('new')
    await clock.advance(500)
    expect(w.get().items.slice(0, 5).every((m, i) => m === before[i])).toBe(true)
  })

  it('shows what a reply answers, fetched when it is far away', async () => {
    past(40)
    await start()
    const w = await open()
    const { message } = server.send(users[1]!, { content: 'yes', clientMessageId: 'ffffffff-0000-7000-8000-000000000001', replyToId: server.messages[0]!.id })
    server.log('message', message.id, {})
    await clock.advance(1000)
    expect(w.get().items.at(-1)!.replyTo).toMatchObject({ content: 'm0' })
    expect(texts(w)).not.toContain('m0')
  })

  it('shows edits, reactions and deletions in place, and statuses that only go forward', async () => {
    past(1)
    await start()
    const w = await open()
    const { id } = server.messages[0]!
    server.log('reaction', id, { conversationId, messageId: id, userId: users[1], emoji: '👍' })
    server.log('message_edited', id, { conversationId, messageId: id, content: 'edited', editedAt: '2026-01-02T01:00:00.000Z' })
    server.log('message_edited', id, { conversationId, messageId: id, content: 'older edit', editedAt: '2026-01-02T00:30:00.000Z' })
    await clock.advance(500)
    expect(w.get().items[0]).toMatchObject({ content: 'edited', reactions: [{ emoji: '👍' }] })
    server.log('message_deleted', id, { conversationId, messageId: id })
    server.log('message_edited', id, { conversationId, messageId: id, content: 'too late', editedAt: '2026-01-02T02:00:00.000Z' })
    await clock.advance(500)
    expect(w.get().items[0]).toMatchObject({ content: '', deleted: true, reactions: [] })

    void phone.client.messages.send(conversationId, { content: 'mine' })
    await clock.advance(500)
    const own = server.messages.at(-1)!.id
    const status = (kind: string) => phone.socket!.push({ type: 'message_status', payload: { conversationId, status: kind, userId: users[1], messageId: own, at: server.now() } })
    status('read')
    status('delivered')
    await clock.advance(500)
    expect(w.get().items.at(-1)!.state).toBe('read')
    await rest()
  })
})
