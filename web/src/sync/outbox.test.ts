import { beforeEach, describe, expect, it } from 'vitest'
import { rest, seeded, SimClock } from '../transport/sim-clock'
import { conversationId, Phone, users } from './simulation/phone'
import { ModelServer, noFaults } from './simulation/server'

let clock: SimClock
let server: ModelServer
let phone: Phone

beforeEach(async () => {
  clock = new SimClock(Date.UTC(2026, 0, 2))
  const random = seeded(3)
  server = new ModelServer(clock, random, users, conversationId)
  phone = new Phone(server, users[0]!, 'aaaaaaaa-0000-7000-8000-000000000001')
  await clock.advance(2000)
})

const send = (content: string) => phone.client.messages.send(conversationId, { content })
const outbox = () => phone.client.messages.outbox.get()
const contents = () => server.messages.map((m) => m.content)
const sends = () => phone.frames.filter((f) => f.type === 'message').map((f) => f.payload)

describe('the outbox', () => {
  it('shows a message before anything else happens to it', async () => {
    const w = phone.client.messages.open(conversationId)
    await clock.advance(500)
    void send('now')
    expect(w.get().items.at(-1)).toMatchObject({ content: 'now', state: 'pending', mine: true })
    const { key } = w.get().items.at(-1)!
    await clock.advance(500)
    expect(w.get().items.at(-1)).toMatchObject({ key, state: 'sent', id: server.messages[0]!.id })
    expect(w.get().items).toHaveLength(1)
  })

  it('sends in order, one of a conversation at a time, and does not call the first try a resend', async () => {
    for (let i = 0; i < 5; i++) void send(`m${i}`)
    await clock.advance(5000)
    expect(contents()).toEqual(['m0', 'm1', 'm2', 'm3', 'm4'])
    expect(sends().some((p) => p.resend)).toBe(false)
    expect(outbox()).toEqual([])
  })

  it('keeps the order when one has to be tried again', async () => {
    server.faults = { ...noFaults, failBefore: 1 }
    for (let i = 0; i < 3; i++) void send(`m${i}`)
    await clock.advance(100)
    server.faults = noFaults
    await clock.advance(10_000)
    expect(contents()).toEqual(['m0', 'm1', 'm2'])
    expect(sends().map((p) => [p.content, p.resend ?? false])).toEqual([['m0', false], ['m0', true], ['m1', false], ['m2', false]])
  })

  it('tries three times, then it has failed; retry and discard', async () => {
    server.faults = { ...noFaults, failBefore: 1 }
    void send('one')
    const second = send('two')
    await clock.advance(60_000)
    await second
    expect(sends()).toHaveLength(6)
    expect(outbox().map((m) => [m.content, m.state, m.error?.code])).toEqual([['one', 'failed', 'UNAVAILABLE'], ['two', 'failed', 'UNAVAILABLE']])
    server.faults = noFaults
    void phone.client.messages.discard(outbox()[0]!.clientMessageId!)
    void phone.client.messages.retry(outbox()[1]!.clientMessageId!)
    await clock.advance(5000)
    expect(contents()).toEqual(['two'])
    expect(outbox()).toEqual([])
  })

  it('tells who waits for the outcome', async () => {
    const id = await send('fine')
    const fine = phone.client.messages.sent(id)
    await clock.advance(1000)
    expect((await fine).content).toBe('fine')
    server.faults = { ...noFaults, failBefore: 1 }
    const bad = phone.client.messages.sent(await send('bad')).catch((e: unknown) => e)
    await clock.advance(60_000)
    expect(await bad).toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('does not lose a message whose answer was lost', async () => {
    server.faults = { ...noFaults, failAfter: 1 } // stored, and then an error
    void send('once')
    await clock.advance(200)
    server.faults = noFaults
    await clock.advance(10_000)
    expect(contents()).toEqual(['once'])
    expect(outbox()).toEqual([])
  })

  it('waits while there is no network, over a reload, and says resend then', async () => {
    phone.reachable = false
    phone.socket!.cut()
    await clock.advance(3000)
    for (let i = 0; i < 20; i++) void send(`offline ${i}`)
    await rest()
    await phone.reload()
    await clock.advance(100_000)
    expect(outbox().map((m) => m.content)).toEqual(Array.from({ length: 20 }, (_, i) => `offline ${i}`))
    expect(outbox().every((m) => m.state === 'pending')).toBe(true)
    phone.reachable = true
    await clock.advance(60_000)
    expect(contents()).toEqual(Array.from({ length: 20 }, (_, i) => `offline ${i}`))
    expect(sends().every((p) => p.resend === true)).toBe(true)
  })

  it('sends again what was not answered in time', async () => {
    const receive = server.send.bind(server)
    let deaf = true
    const { accept } = server
    server.accept = (...args) => {
      const end = accept.apply(server, args)
      return end && { receive: (t) => void (deaf && t.includes('"type":"message"') ? undefined : end.receive(t)), closed: () => end.closed() }
    }
    expect(receive).toBeDefined()
    phone.socket!.cut()
    await clock.advance(5000)
    void send('hello?')
    await clock.advance(9000)
    deaf = false
    expect(contents()).toEqual([])
    await clock.advance(20_000)
    expect(contents()).toEqual(['hello?'])
    expect(sends().at(-1)).toMatchObject({ resend: true })
  })

  it('sends nothing twice under a name that a bot gives again', async () => {
    const clientMessageId = '0190a0b0-0000-7000-8000-00000000beef'
    void phone.client.messages.send(conversationId, { content: 'answer', clientMessageId })
    await clock.advance(1000)
    void phone.client.messages.send(conversationId, { content: 'answer', clientMessageId })
    await clock.advance(1000)
    expect(sends()).toHaveLength(1)
    expect(outbox()).toEqual([])
  })
})
