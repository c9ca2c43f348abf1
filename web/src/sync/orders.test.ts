import { beforeEach, describe, expect, it } from 'vitest'
import { rest, seeded, SimClock } from '../transport/sim-clock'
import { conversationId, Phone, users } from './simulation/phone'
import { ModelServer, type ModelMessage } from './simulation/server'

/** Orders in which the same things may come, and what is lost between two of them. */

const [self, other] = users as [string, string]
let clock: SimClock
let server: ModelServer
let phone: Phone
let n = 0

function stored(content: string, sender = other): ModelMessage {
  return server.send(sender, { content, clientMessageId: `eeeeeeee-0000-7000-8000-${String(++n).padStart(12, '0')}` }).message
}

function live(content: string, sender = other): ModelMessage {
  const message = stored(content, sender)
  server.log('message', message.id, {})
  return message
}

const push = (m: ModelMessage, eventId = server.id()) => phone.socket!.push({ type: 'message', payload: { ...server.wire(m, self), eventId } })
const sent = (type: string) => phone.frames.filter((f) => f.type === type).map((f) => f.payload)
const conversation = () => phone.client.conversations.get()[0]!

async function shown() {
  const w = phone.client.messages.open(conversationId)
  await clock.advance(500)
  return w
}

/** From now on the server doesn't hear frames of a type, on this connection and the next. */
function deafTo(type: string): () => void {
  let deaf = true
  const { accept } = server
  server.accept = (...args) => {
    const end = accept.apply(server, args)
    return end && { receive: (t) => void (deaf && t.includes(`"type":"${type}"`) ? undefined : end.receive(t)), closed: () => end.closed() }
  }
  return () => (deaf = false)
}

beforeEach(() => {
  clock = new SimClock(Date.UTC(2026, 0, 2))
  server = new ModelServer(clock, seeded(3), users, conversationId)
})

async function start(): Promise<void> {
  phone = new Phone(server, self, 'aaaaaaaa-0000-7000-8000-000000000001')
  await clock.advance(2000)
}

describe('one message under two ids', () => {
  it('is shown, heard of and counted once when the larger comes first', async () => {
    await start()
    const first = stored('twice')
    const twin = { ...first, id: server.id() }
    push(twin)
    await clock.advance(500)
    push(first)
    await clock.advance(500)
    expect((await shown()).get().items.map((m) => m.id)).toEqual([first.id])
    expect(phone.heard).toEqual([twin.id])
    expect(conversation().unreadCount).toBe(1)
    expect(conversation().lastMessage?.id).toBe(first.id)
  })

  it('tells who waits for it, though history brought the other copy before the answer', async () => {
    await start()
    const hear = deafTo('message')
    phone.socket!.cut()
    await clock.advance(5000)
    const id = await phone.client.messages.send(conversationId, { content: 'mine' })
    let outcome = ''
    void phone.client.messages.sent(id).then((m) => (outcome = m.id!))
    await clock.advance(500)
    const { message } = server.send(self, { content: 'mine', clientMessageId: id })
    await shown() // reads the history
    push({ ...message, id: server.id() })
    await clock.advance(500)
    expect(phone.client.messages.outbox.get()).toEqual([])
    expect(outcome).toBe(message.id)
    hear()
  })
})

describe('the count of unread messages', () => {
  it('does not count what the list has counted', async () => {
    await start()
    live('one')
    await clock.advance(500)
    const two = stored('two')
    await refresh()
    expect(conversation().unreadCount).toBe(2)
    push(two)
    await clock.advance(500)
    expect(conversation().unreadCount).toBe(2)
    push(stored('three'))
    await clock.advance(500)
    expect(conversation().unreadCount).toBe(3)
  })

  it('is the list\'s and what came behind it, when the log is ahead of the list', async () => {
    await start()
    for (const text of ['one', 'two']) live(text)
    await clock.advance(500)
    // Read on another device, of which only the list tells; then one more, which the answer can't know.
    server.mark(self, 'readTo', server.messages.at(-1)!.id)
    const refreshed = phone.client.conversations.refresh()
    await clock.advance(41) // asked
    push(stored('three'))
    await clock.advance(500)
    await refreshed
    expect(conversation().unreadCount).toBe(1)
  })
})

describe('the last message of a conversation nobody opened', () => {
  it('disappears from the list when it is deleted', async () => {
    const last = stored('secret')
    await start()
    expect(conversation().lastMessage?.content).toBe('secret')
    server.log('message_edited', last.id, { conversationId, messageId: last.id, content: 'edited', editedAt: '2026-01-02T01:00:00.000Z' })
    await clock.advance(500)
    expect(conversation().lastMessage?.content).toBe('edited')
    server.log('message_deleted', last.id, { conversationId, messageId: last.id })
    await clock.advance(500)
    expect(conversation().lastMessage).toMatchObject({ deleted: true, content: '' })
  })
})

describe('an edit of a message that is still on its way', () => {
  it('is not undone by an answer that was asked for before', async () => {
    await start()
    const m = stored('first words')
    const refreshed = phone.client.conversations.refresh()
    const w = phone.client.messages.open(conversationId)
    await clock.advance(42) // both answers are under way
    phone.socket!.push({ type: 'message_edited', payload: { conversationId, messageId: m.id, content: 'second words', editedAt: '2026-01-02T01:00:00.000Z', eventId: server.id() } })
    await clock.advance(1000)
    await refreshed
    expect(w.get().items.map((x) => x.content)).toEqual(['second words'])
    expect(conversation().lastMessage?.content).toBe('second words')
  })
})

describe('a copy that comes again', () => {
  it('edited since, is what the list shows', async () => {
    await start()
    const m = live('first words')
    await clock.advance(500)
    push({ ...m, content: 'second words', editedAt: '2026-01-02T01:00:00.000Z' })
    await clock.advance(500)
    expect(conversation().lastMessage?.content).toBe('second words')
  })

  it('does not undo a reaction that came after it was read', async () => {
    await start()
    const m = live('nice')
    await clock.advance(500)
    const old = { ...m, reactions: [{ userId: self, emoji: '👎' }] }
    server.log('reaction', m.id, { conversationId, messageId: m.id, userId: self, emoji: '👎' })
    server.log('reaction', m.id, { conversationId, messageId: m.id, userId: self, emoji: '👍' })
    await clock.advance(500)
    push(old)
    await clock.advance(500)
    expect((await shown()).get().items[0]!.reactions).toEqual([{ userId: self, emoji: '👍' }])
  })
})

describe('a gap', () => {
  it('under an open window is filled from history, without anybody doing anything', async () => {
    await start()
    for (let i = 0; i < 5; i++) live(`m${i}`)
    await clock.advance(1000)
    const w = await shown()
    server.forget(phone.device)
    await clock.advance(15_000)
    expect(w.get().items.map((m) => m.content)).toEqual(['m0', 'm1', 'm2', 'm3', 'm4'])
    expect(w.get()).toMatchObject({ hasOlder: false, hasNewer: false })
    live('m5')
    await clock.advance(500)
    expect(w.get().items.at(-1)!.content).toBe('m5')
  })
})

describe('a read marker', () => {
  it('that a dying connection swallowed is sent again', async () => {
    await start()
    const hear = deafTo('read')
    phone.socket!.cut()
    await clock.advance(5000)
    const m = live('read me')
    await clock.advance(500)
    phone.client.conversations.markRead(conversationId, m.id)
    await clock.advance(500)
    expect(sent('read')).toHaveLength(1)
    expect(server.receipts.get(self)?.readTo).toBeUndefined()
    hear()
    phone.socket!.cut()
    await clock.advance(15_000)
    expect(server.receipts.get(self)?.readTo).toBe(m.id)
    expect(conversation().unreadCount).toBe(0)
  })
})

describe('an answer that comes late', () => {
  it('does not count as another try', async () => {
    await start()
    const hear = deafTo('message')
    phone.socket!.cut()
    await clock.advance(5000)
    const id = await phone.client.messages.send(conversationId, { content: 'slow' })
    await clock.advance(200)
    expect(sent('message')).toHaveLength(1)
    for (let i = 0; i < 3; i++) phone.socket!.push({ type: 'error', payload: { code: 'UNAVAILABLE', message: 'try again', clientMessageId: id } })
    await clock.advance(45)
    await rest()
    expect(phone.client.messages.outbox.get()[0]!.state).not.toBe('failed')
    hear()
    await clock.advance(30_000)
    expect(server.messages.map((m) => m.content)).toEqual(['slow'])
  })
})

describe('where reading begins', () => {
  it('is found though it lies more than a page back', async () => {
    for (let i = 0; i < 130; i++) stored(`m${i}`)
    server.mark(self, 'readTo', server.messages[49]!.id)
    await start()
    const w = phone.client.messages.open(conversationId, { pageSize: 20 })
    let looked = false
    w.subscribe(() => {
      const { findingUnread, firstUnreadId } = w.get()
      looked ||= findingUnread
      if (findingUnread) expect(firstUnreadId).toBeUndefined()
    })
    await clock.advance(3000)
    expect(looked).toBe(true)
    expect(w.get().findingUnread).toBe(false)
    expect(w.get().firstUnreadId).toBe(server.messages[50]!.id)
    expect(w.get().items.some((m) => m.id === server.messages[50]!.id)).toBe(true)
  })

  it('is nowhere rather than at a wrong place', async () => {
    for (let i = 0; i < 30; i++) stored(`m${i}`)
    await start()
    const w = phone.client.messages.open(conversationId, { pageSize: 20 })
    await clock.advance(3000)
    expect(w.get().firstUnreadId).toBe(server.messages[0]!.id)
  })
})

async function refresh(): Promise<void> {
  const done = phone.client.conversations.refresh()
  await clock.advance(500)
  await done
}
