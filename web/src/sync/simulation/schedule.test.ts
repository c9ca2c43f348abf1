import { describe, expect, it } from 'vitest'
import { rest, seeded, SimClock } from '../../transport/sim-clock'
import type { MessageView } from '../api'
import { conversationId, Phone, users } from './phone'
import { ModelServer, noFaults } from './server'

interface Sent {
  phone: Phone
  content: string
}

class Schedule {
  readonly clock = new SimClock(Date.UTC(2026, 0, 2))
  readonly random: () => number
  readonly server: ModelServer
  readonly phones: Phone[]
  readonly sent: Sent[] = []
  readonly trace: string[] = []
  private n = 0

  constructor(seed: number) {
    this.random = seeded(seed)
    this.server = new ModelServer(this.clock, this.random, users, conversationId)
    this.phones = ['aaaaaaaa-1', 'aaaaaaaa-2', 'bbbbbbbb-1'].map((d, i) => new Phone(this.server, users[i < 2 ? 0 : 1]!, `${d.slice(0, 8)}-0000-7000-8000-00000000000${d.slice(-1)}`))
  }

  private pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.random() * list.length)]!
  }

  async run(): Promise<void> {
    await this.clock.advance(2000)
    this.server.faults = { losePush: 0.2, duplicate: 0.2, failBefore: 0.1, failAfter: 0.1, restFailure: 0.1 }
    const steps = 10 + Math.floor(this.random() * 15)
    for (let i = 0; i < steps; i++) {
      await this.step()
      await this.clock.advance(this.random() * (this.random() < 0.3 ? 8000 : 300))
    }
    await this.heal()
  }

  private async step(): Promise<void> {
    const phone = this.pick(this.phones)
    const what = this.random()
    const say = (text: string) => this.trace.push(`${this.clock.now() % 1_000_000}: ${this.phones.indexOf(phone)} ${text}`)
    if (what < 0.45) {
      const many = 1 + Math.floor(this.random() * 4)
      say(`send ${many}`)
      for (let k = 0; k < many; k++) {
        const content = `message ${++this.n}`
        this.sent.push({ phone, content })
        void phone.client.messages.send(conversationId, { content }).catch(() => undefined)
      }
      await rest() // in the outbox, so a reload right after it loses nothing
    } else if (what < 0.6) {
      say('cut')
      phone.socket?.cut()
    } else if (what < 0.7) {
      phone.reachable = !phone.reachable
      say(phone.reachable ? 'online' : 'offline')
      if (!phone.reachable) phone.socket?.cut()
    } else if (what < 0.8) {
      say('reload')
      await phone.reload()
    } else if (what < 0.83) {
      say('log forgotten')
      phone.missed = true
      this.server.forget(phone.device)
    } else if (what < 0.87) {
      say('server restarts')
      this.server.restart()
    } else {
      await this.change(phone, say)
    }
  }

  private async change(phone: Phone, say: (text: string) => void): Promise<void> {
    const message = this.server.messages.length > 0 ? this.pick(this.server.messages) : undefined
    if (!message) return
    const { messages, conversations } = phone.client
    const own = message.senderId === phone.userId
    const what = this.random()
    if (what < 0.3) {
      say(`react ${message.id}`)
      void messages.react(conversationId, message.id, this.pick(['👍', '❤️', ''])).catch(() => undefined)
    } else if (what < 0.6 && own && !message.deleted) {
      say(`edit ${message.id}`)
      void messages.edit(conversationId, message.id, `${message.content} edited`).catch(() => undefined)
    } else if (what < 0.7 && own) {
      say(`delete ${message.id}`)
      void messages.remove(conversationId, message.id).catch(() => undefined)
    } else {
      say(`read ${message.id}`)
      conversations.markRead(conversationId, message.id)
    }
  }

  private async heal(): Promise<void> {
    this.server.faults = noFaults
    for (const p of this.phones) p.reachable = true
    for (let i = 0; i < 20; i++) {
      await this.clock.advance(31_000)
      let open = 0
      for (const p of this.phones) {
        if (p.client.connection.get().state !== 'live') open++
        for (const m of p.client.messages.outbox.get()) {
          open++
          if (m.state === 'failed') await Promise.race([p.client.messages.retry(m.clientMessageId!), this.clock.advance(0)])
        }
      }
      if (open === 0) break
    }
    // The log is verified every now and then: what a push lost comes with that.
    await this.clock.advance(12_000)
  }

  async shown(phone: Phone): Promise<readonly MessageView[]> {
    const w = phone.client.messages.open(conversationId, { pageSize: 100 })
    await this.clock.advance(1000)
    for (let i = 0; i < 20 && w.get().hasOlder; i++) {
      void w.loadOlder()
      await this.clock.advance(1000)
    }
    const { items } = w.get()
    w.close()
    return items
  }
}

async function check(seed: number): Promise<void> {
  const s = new Schedule(seed)
  await s.run()
  const about = `seed ${seed}\n${s.trace.join('\n')}`
  const history = s.server.messages.map((m) => ({ id: m.id, senderId: m.senderId, content: m.content, deleted: m.deleted ?? false, reactions: [...m.reactions].sort(byUser) }))
  // What was written is there once.
  expect(s.server.messages.map((m) => m.clientMessageId).sort(), about).toEqual([...new Set(s.server.messages.map((m) => m.clientMessageId))].sort())
  expect(s.server.messages.length, about).toBe(s.sent.length)
  for (const phone of s.phones) {
    expect(phone.client.messages.outbox.get(), about).toEqual([])
    const items = await s.shown(phone)
    expect(items.map((m) => ({ id: m.id, senderId: m.senderId, content: m.content, deleted: m.deleted, reactions: [...m.reactions].sort(byUser) })), about).toEqual(history)
    const { lastMessage } = phone.client.conversations.get()[0]!
    const last = history.at(-1)
    expect(lastMessage && { id: lastMessage.id, content: lastMessage.content, deleted: lastMessage.deleted }, about)
      .toEqual(last && { id: last.id, content: last.content, deleted: last.deleted })
    const { doubled, reordered, lost } = phone.client.stats.get()
    expect({ doubled, reordered, lost }, about).toEqual({ doubled: 0, reordered: 0, lost: 0 })
    // Whoever listens hears of each message of others once.
    const foreign = s.server.messages.filter((m) => m.senderId !== phone.userId).map((m) => m.id)
    const heard = [...phone.heard].sort()
    if (!phone.missed) expect(heard, about).toEqual(foreign)
    else expect(heard, about).toEqual([...new Set(heard)])
    // What a log forgot nobody has acknowledged.
    if (s.phones.some((p) => p.missed)) continue
    for (const m of items) if (m.mine) expect(['delivered', 'read'], about).toContain(m.state)
  }
  for (const phone of s.phones) void phone.client.close()
  await rest()
}

const byUser = (a: { userId: string }, b: { userId: string }) => (a.userId < b.userId ? -1 : 1)

const schedules = Number(process.env.MURRE_SCHEDULES ?? 1000)
const firstSeed = Number(process.env.MURRE_SEED ?? 1)

describe('random schedules of send, drop, duplicate, offline and reload', () => {
  const chunk = 100
  for (let from = 0; from < schedules; from += chunk) {
    it(`${Math.min(chunk, schedules - from)} from seed ${firstSeed + from} end with equal histories on all sides`, async () => {
      for (let i = from; i < Math.min(from + chunk, schedules); i++) await check(firstSeed + i)
    }, 300_000)
  }
})
