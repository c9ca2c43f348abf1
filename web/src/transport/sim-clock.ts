import type { Clock } from './clock'

interface Timer {
  at: number
  seq: number
  run: () => void
}

/** Time that passes only when told to, so that a test of hours takes milliseconds and always goes the same way. */
export class SimClock implements Clock {
  private time: number
  private seq = 0
  private timers: Timer[] = []
  private gone = new Set<number>()

  constructor(start: number) {
    this.time = start
  }

  now = (): number => this.time

  setTimeout = (run: () => void, ms: number): unknown => {
    const timer = { at: this.time + Math.max(0, ms), seq: ++this.seq, run }
    let i = this.timers.length
    while (i > 0 && (this.timers[i - 1]!.at > timer.at)) i--
    this.timers.splice(i, 0, timer)
    return timer.seq
  }

  clearTimeout = (seq: unknown): void => {
    if (typeof seq === 'number') this.gone.add(seq)
  }

  /** Runs what is due within ms, each timer after everything that the one before began has come to rest. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms
    await rest()
    for (;;) {
      const next = this.timers[0]
      if (!next || next.at > end) break
      this.timers.shift()
      if (this.gone.delete(next.seq)) continue
      this.time = Math.max(this.time, next.at)
      next.run()
      await rest()
    }
    this.time = end
  }
}

/** All promises that can go on have gone on. */
export function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Chance from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
