import { writeFile } from 'node:fs/promises'
import type { Browser, Page } from '@playwright/test'

interface TraceEvent {
  name: string
  ph: string
  pid: number
  tid: number
  ts: number
  /** µs of processor time, which waiting for other programs isn't counted into. */
  tdur?: number
  args?: { name?: string; hasPartialUpdate?: boolean }
}

export interface Frames {
  /** Frames that were due while it ran. */
  frames: number
  /** ms of main-thread work for each of them. */
  p50: number
  p95: number
  max: number
  /** Of the frames due, those of which nothing was shown, in percent. */
  droppedPercent: number
  /** Those that the main thread missed and the compositor showed without it: the scrolling went on. */
  partialPercent: number
}

// As few as will do: what is recorded costs time in what is measured.
const categories = ['-*', 'devtools.timeline', 'disabled-by-default-devtools.timeline', 'disabled-by-default-devtools.timeline.frame']

/** Runs something and reads from the browser's own trace how much the main thread worked for each frame. */
export async function frames(browser: Browser, page: Page, run: () => Promise<void>): Promise<Frames> {
  await browser.startTracing(page, { categories })
  await run()
  const raw = await browser.stopTracing()
  if (process.env.WEB_KEEP_TRACE !== undefined) await writeFile(process.env.WEB_KEEP_TRACE, raw)
  return judge((JSON.parse(raw.toString('utf8')) as { traceEvents: TraceEvent[] }).traceEvents)
}

function judge(events: TraceEvent[]): Frames {
  const main = busiestMainThread(events)
  const own = events.filter((e) => e.pid === main.pid)
  const begins = own.filter((e) => e.name === 'BeginMainThreadFrame').map((e) => e.ts).sort((a, b) => a - b)
  const tasks = own.filter((e) => e.name === 'RunTask' && e.ph === 'X' && e.tid === main.tid).sort((a, b) => a.ts - b.ts)
  // What the main thread does from the beginning of one frame to that of the next is that frame's work.
  const work = new Float64Array(begins.length)
  let frame = -1
  for (const { ts, tdur = 0 } of tasks) {
    while (frame + 1 < begins.length && begins[frame + 1]! <= ts + tdur) frame++
    if (frame >= 0) work[frame] = work[frame]! + tdur / 1e3
  }
  const sorted = [...work].sort((a, b) => a - b)
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
  const due = own.filter((e) => e.name === 'BeginFrame').length
  const missed = own.filter((e) => e.name === 'DroppedFrame')
  const percent = (n: number) => (due === 0 ? 100 : (n / due) * 100)
  const partial = missed.filter((e) => e.args?.hasPartialUpdate === true).length
  return { frames: due, p50: at(0.5), p95: at(0.95), max: sorted.at(-1) ?? 0, droppedPercent: percent(missed.length - partial), partialPercent: percent(partial) }
}

/** The page's: of the renderers' main threads the one that did most. */
function busiestMainThread(events: TraceEvent[]): { pid: number; tid: number } {
  const mains = events.filter((e) => e.name === 'thread_name' && e.args?.name === 'CrRendererMain')
  const busy = (m: TraceEvent) => events.filter((e) => e.pid === m.pid && e.tid === m.tid).length
  const best = mains.map((m) => ({ pid: m.pid, tid: m.tid, n: busy(m) })).sort((a, b) => b.n - a.n)[0]
  if (best === undefined) throw new Error('no main thread in the trace')
  return best
}
