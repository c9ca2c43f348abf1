import { beforeEach, describe, expect, it } from 'vitest'
import { rest, seeded, SimClock } from './sim-clock'
import { Socket, type Refusal, type SocketState, type WebSocketLike } from './socket'

class Wire implements WebSocketLike {
  static made: Wire[] = []
  readyState = 0
  onopen: ((event: never) => void) | null = null
  onmessage: ((event: never) => void) | null = null
  onclose: ((event: never) => void) | null = null
  onerror: ((event: never) => void) | null = null
  readonly sent: string[] = []
  closed = false
  readonly url: string
  readonly protocols: string[] | undefined

  constructor(url: string, protocols?: string[]) {
    this.url = url
    this.protocols = protocols
    Wire.made.push(this)
  }

  static get last(): Wire {
    return Wire.made.at(-1)!
  }

  send(data: string): void {
    this.sent.push(data)
  }

  close(): void {
    this.closed = true
  }

  open(): void {
    this.readyState = 1
    this.onopen?.({} as never)
  }

  say(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) } as never)
  }

  end(code: number, reason = ''): void {
    this.readyState = 3
    this.onclose?.({ code, reason } as never)
  }
}

let clock: SimClock
let states: SocketState[]
let refusal: { reason: Refusal; message: string } | undefined
let probes: number
let socket: Socket

beforeEach(() => {
  Wire.made = []
  clock = new SimClock(0)
  states = []
  refusal = undefined
  probes = 0
  socket = new Socket({
    address: () => ({ url: 'ws://x/ws', protocols: ['murre.json.v1'] }), WebSocket: Wire, clock, random: seeded(7),
    onFrame: () => undefined, onState: (s) => states.push(s),
    whyRefused: () => {
      probes++
      return Promise.resolve(refusal)
    },
  })
  socket.start()
})

const last = () => states.at(-1)!

describe('a socket', () => {
  it('says nothing before it is open', () => {
    expect(socket.send({ type: 'ping' })).toBe(false)
    Wire.last.open()
    expect(socket.send({ type: 'ping' })).toBe(true)
    expect(Wire.last.sent).toEqual(['{"type":"ping"}'])
  })

  it('comes back with full jitter under a bound that doubles, to 30 s', async () => {
    const waits: number[] = []
    for (let i = 0; i < 12; i++) {
      Wire.last.end(1006)
      await rest()
      const s = last()
      expect(s.state).toBe('offline')
      if (s.state !== 'offline') return
      const wait = s.nextRetryAtMs! - clock.now()
      expect(wait).toBeLessThanOrEqual(Math.min(30_000, 250 * 2 ** i))
      waits.push(wait)
      await clock.advance(wait)
      expect(Wire.made).toHaveLength(i + 2)
    }
    expect(Math.max(...waits)).toBeGreaterThan(5000)
    expect(new Set(waits).size).toBe(12)
    expect(probes).toBe(12)
  })

  it('starts the backoff anew after a connection that held', async () => {
    for (let i = 0; i < 6; i++) {
      Wire.last.end(1006)
      await clock.advance(30_000)
    }
    Wire.last.open()
    await clock.advance(11_000)
    Wire.last.end(1006)
    await rest()
    expect(last()).toMatchObject({ state: 'offline', attempts: 1 })
  })

  it.each([1001, 1006, 1008, 1009, 1013, 4999])('comes back after %d', async (code) => {
    Wire.last.open()
    Wire.last.end(code)
    await clock.advance(300)
    expect(Wire.made).toHaveLength(2)
  })

  it.each([[4001, 'replaced'], [4002, 'refused'], [4003, 'refused']] as const)('stays away after %d', async (code, state) => {
    Wire.last.open()
    Wire.last.end(code)
    await clock.advance(3_600_000)
    expect(last().state).toBe(state)
    expect(Wire.made).toHaveLength(1)
    socket.reconnect() // but somebody may ask for it
    expect(Wire.made).toHaveLength(2)
  })

  it('stays away when the upgrade was refused for good', async () => {
    refusal = { reason: 'expired', message: 'sign in again' }
    Wire.last.end(1006)
    await clock.advance(60_000)
    expect(last()).toMatchObject({ state: 'refused', reason: 'expired' })
    expect(Wire.made).toHaveLength(1)
  })

  it('comes back when a draining server said, not before and not sharp', async () => {
    Wire.last.open()
    Wire.last.say({ type: 'reconnect', payload: { afterMs: 4000 } })
    expect(Wire.last.closed).toBe(true)
    expect(last()).toMatchObject({ state: 'draining', afterMs: 4000 })
    await clock.advance(3999)
    expect(Wire.made).toHaveLength(1)
    await clock.advance(1001)
    expect(Wire.made).toHaveLength(2)
  })

  it('asks a silent server, and gives it up when it does not answer', async () => {
    Wire.last.open()
    await clock.advance(25_000)
    expect(Wire.last.sent).toEqual(['{"type":"ping"}'])
    Wire.last.say({ type: 'pong' })
    await clock.advance(25_000)
    expect(Wire.last.sent).toHaveLength(2)
    await clock.advance(10_000)
    expect(Wire.made[0]!.closed).toBe(true)
    expect(last().state).toBe('offline')
  })

  it('gives up a connection that never opens', async () => {
    await clock.advance(10_000)
    expect(Wire.made[0]!.closed).toBe(true)
    await clock.advance(300)
    expect(Wire.made).toHaveLength(2)
  })

  it('does not listen to a socket that it gave up', async () => {
    const old = Wire.last
    old.open()
    socket.kill()
    await clock.advance(300)
    Wire.last.open()
    old.end(4001)
    await rest()
    expect(last().state).toBe('open')
  })

  it('stays away when stopped', async () => {
    Wire.last.open()
    socket.stop()
    await clock.advance(60_000)
    expect(Wire.made).toHaveLength(1)
    expect(last()).toEqual({ state: 'offline', attempts: 0 })
  })
})
