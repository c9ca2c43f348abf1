import type { Browser, Page } from '@playwright/test'

interface TraceEvent {
  name: string
  cat: string
  ph: string
  pid: number
  tid: number
  ts: number
  dur?: number
  args?: { name?: string; data?: Record<string, unknown>; chrome_frame_reporter?: { state?: string } }
}

export interface Frames {
  /** Frames that were due while it ran. */
  frames: number
  /** ms of main-thread work in each of them. */
  p50: number
  p95: number
  max: number
  /** Frames that were due and not shown, in percent. */
  droppedPercent: number
}

const categories = ['devtools.timeline', 'disabled-by-default-devtools.timeline', 'toplevel', 'cc,benchmark', 'disabled-by-default-devtools.timeline.frame', '__metadata'].join(',').split(',')

/** Runs something and reads from the browser's own trace how much the main thread worked for each frame. */
export async function frames(browser: Browser, page: Page, run: () => Promise<void>): Promise<Frames> {
  await browser.startTracing(page, { categories })
  await page.evaluate('performance.mark("scroll-begins")')
  await run()
  await page.evaluate('performance.mark("scroll-ends")')
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString('utf8')) as { traceEvents: TraceEvent[] }
  return judge(traceEvents)
}

function judge(events: TraceEvent[]): Frames {
  const main = busiestMainThread(events)
  const own = events.filter((e) => e.pid === main.pid && e.tid === main.tid)
  const tasks = own.filter((e) => e.ph === 'X' && (e.name === 'RunTask' || e.name === 'ThreadControllerImpl::RunTask')).sort((a, b) => a.ts - b.ts)
  // A task may be reported under both names, one in the other: only the outer one counts.
  const outer: { from: number; to: number }[] = []
  for (const { ts, dur = 0 } of tasks) {
    const before = outer.at(-1)
    if (before === undefined || ts >= before.to) outer.push({ from: ts, to: ts + dur })
  }
  const first = outer[0]?.from ?? 0
  const last = outer.at(-1)?.to ?? 0
  // The screen asks for a frame each 60th of a second; what the main thread did between two of them is that frame's work.
  const period = 1e6 / 60
  const work = new Float64Array(Math.max(1, Math.ceil((last - first) / period)))
  for (const { from, to } of outer) {
    for (let at = from; at < to;) {
      const n = Math.floor((at - first) / period)
      const end = Math.min(to, first + (n + 1) * period)
      work[n] = (work[n] ?? 0) + (end - at) / 1e3
      at = Math.max(end, at + 1)
    }
  }
  const sorted = [...work].sort((a, b) => a - b)
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
  const reports = events.filter((e) => e.pid === main.pid && e.name === 'PipelineReporter' && (e.ph === 'b' || e.ph === 'e') && e.args?.chrome_frame_reporter?.state !== undefined)
  const states = reports.map((e) => e.args?.chrome_frame_reporter?.state ?? '')
  const dropped = states.filter((s) => s === 'STATE_DROPPED').length
  const due = states.filter((s) => s !== 'STATE_NO_UPDATE_DESIRED').length
  return { frames: due, p50: at(0.5), p95: at(0.95), max: sorted.at(-1) ?? 0, droppedPercent: due === 0 ? 100 : (dropped / due) * 100 }
}

/** The page's: of the renderers' main threads the one that did most. */
function busiestMainThread(events: TraceEvent[]): { pid: number; tid: number } {
  const mains = events.filter((e) => e.name === 'thread_name' && e.args?.name === 'CrRendererMain')
  const busy = (m: TraceEvent) => events.filter((e) => e.pid === m.pid && e.tid === m.tid).length
  const best = mains.map((m) => ({ pid: m.pid, tid: m.tid, n: busy(m) })).sort((a, b) => b.n - a.n)[0]
  if (best === undefined) throw new Error('no main thread in the trace')
  return best
}
