/// <reference lib="dom" />
import type { Page } from '@playwright/test'
import type { Api } from './api'
import { expect, test, type Person } from './fixtures'
import { seedHistory } from './seed'
import { frames, type Frames } from './tracing'

// What the client may cost. Measured several times: the best is compared with the budget, since everything else that the
// machine does only adds to it; the median is printed beside. Over budget, it is measured again, at most twice.
const budgets = {
  firstLoadBytes: 170_000,
  cachedPaintMs: 300,
  bubbleMs: 50,
  frameWorkMs: 8,
  droppedPercent: 2,
}

// By how much a figure of time may exceed its budget where other programs run beside: `make test` says 2. 1, everywhere else.
const noise = Number(process.env.WEB_NOISE ?? 1)
const rounds = 3

test.describe.configure({ mode: 'serial', timeout: 600_000 })
/** No further round begins later than this, in ms: on a slow machine one says as much as three. */
const patience = 180_000

test('@measure JavaScript on first load', async ({ newPage }) => {
  const page = await newPage()
  let bytes = 0
  const sizes: Promise<void>[] = []
  page.on('response', (response) => {
    if (response.request().resourceType() !== 'script') return
    sizes.push(response.request().sizes().then(({ responseBodySize }) => { bytes += responseBodySize }))
  })
  await page.goto('/', { waitUntil: 'networkidle' })
  await expect(page.getByRole('heading', { name: 'Sign in to Murre' })).toBeVisible()
  await Promise.all(sizes)
  report('JavaScript on first load', `${(bytes / 1000).toFixed(1)} kB gzipped`, `${budgets.firstLoadBytes / 1000} kB`)
  expect(bytes).toBeGreaterThan(20_000)
  expect(bytes).toBeLessThanOrEqual(budgets.firstLoadBytes)
})

test('@measure with 10,000 messages cached: first paint on reload, and from input to bubble', async ({ person, api }) => {
  const ann = await withHistory(await person('Ann'), api, 10_000)

  await within('first paint of cached chats', budgets.cachedPaintMs, async () => {
    const paints: number[] = []
    for (let i = 0; i < 6; i++) {
      await ann.page.addInitScript(watchFirstRow)
      await ann.page.reload()
      await expect(ann.app.conversation('Ben')).toBeVisible()
      await expect.poll(async () => await ann.page.evaluate('window.firstRowMs')).toBeGreaterThan(0)
      paints.push(await ann.page.evaluate<number>('window.firstRowMs'))
    }
    return paints
  })

  await expect(ann.app.log).toBeVisible()
  let written = 0
  await within('input to bubble, 10,000 cached', budgets.bubbleMs, async () => {
    const bubbles: number[] = []
    for (let i = 0; i < 12; i++) {
      const text = `bubble ${written++}`
      await ann.app.composer.fill(text)
      const shown = ann.page.evaluate(untilBubble, text)
      await ann.app.composer.press('Enter')
      bubbles.push(await shown)
      await expect(ann.app.message(text)).toBeVisible()
    }
    return bubbles
  })
})

test('@measure a history of 100,000 messages scrolls', async ({ person, api, browser }) => {
  const ann = await withHistory(await person('Ann'), api, 99_990)
  // The run that is furthest inside both of its budgets is the one that counts, with both of its figures.
  const worse = (r: Frames) => Math.max(r.p95 / budgets.frameWorkMs, r.droppedPercent / budgets.droppedPercent)
  const runs: Frames[] = []
  const until = Date.now() + patience
  for (let round = 0; round < rounds && (round === 0 || Date.now() < until) && !runs.some((r) => worse(r) <= 1); round++) {
    for (let i = 0; i < 3; i++) {
      await ann.app.log.hover()
      runs.push(await frames(browser, ann.page, async () => { await fling(ann.page, 300) }))
    }
  }
  const best = runs.reduce((a, b) => (worse(b) < worse(a) ? b : a))
  report('main-thread work a frame while scrolling 100,000, p95', `${best.p95.toFixed(1)} ms; ${figures(runs.map((r) => r.p95), 'ms')}`, `${budgets.frameWorkMs} ms`)
  report('frames dropped while scrolling 100,000', `${best.droppedPercent.toFixed(1)} %; ${figures(runs.map((r) => r.droppedPercent), '%')}; without the main thread ${figures(runs.map((r) => r.partialPercent), '%')}`, `${budgets.droppedPercent} %`)
  // It went somewhere: older messages than were there at first.
  const first = Number((await ann.app.texts())[0]?.split(':')[0])
  expect(first).toBeLessThan(99_000)
  expect(runs[0]!.frames).toBeGreaterThan(100)
  expect(worse(best)).toBeLessThanOrEqual(noise)
})

/** Measures until the best is within the budget, at most `rounds` times; ms. */
async function within(what: string, budget: number, measure: () => Promise<number[]>) {
  const all: number[] = []
  for (let round = 0; round < rounds && !all.some((ms) => ms <= budget); round++) all.push(...(await measure()))
  report(what, figures(all, 'ms'), `${budget} ms`)
  expect(Math.min(...all), what).toBeLessThanOrEqual(budget * noise)
}

/** Opens a conversation with Ben whose n messages are in the cache. */
async function withHistory(ann: Person, api: Api, n: number): Promise<Person> {
  const ben = await api.register('Ben')
  const conversation = await api.conversation(ann.account, 'direct', [ben])
  for (let i = 0; i < 5; i++) await api.send(ben, conversation, `newest ${i}`)
  await ann.app.open('Ben')
  await expect(ann.app.message('newest 4')).toBeVisible()
  const opened = ann.page.url()
  await ann.page.goto('/docs')
  await seedHistory(ann.page, conversation, n)
  await ann.page.goto(opened)
  await ann.app.signedIn()
  if (!(await ann.app.log.isVisible())) await ann.app.open('Ben')
  await expect(ann.app.message('newest 4')).toBeVisible()
  return ann
}

/** Turns the wheel up without a pause, a notch a frame: 6,000 px a second. */
async function fling(page: Page, notches: number) {
  for (let i = 0; i < notches; i++) {
    await page.mouse.wheel(0, -100)
  }
}

/** Runs in the page: notes when the first cached conversation has been painted, from the start of the navigation. */
function watchFirstRow() {
  const target = window as unknown as { firstRowMs: number }
  target.firstRowMs = 0
  const look = () => {
    if (target.firstRowMs > 0) return
    if (document.querySelector('[role="listbox"] [role="option"]') === null) {
      requestAnimationFrame(look)
      return
    }
    // Found as a frame begins, so it is in this frame's picture; the next task comes after that.
    const channel = new MessageChannel()
    channel.port1.onmessage = () => { target.firstRowMs = performance.now() }
    channel.port2.postMessage(null)
  }
  requestAnimationFrame(look)
}

/** Runs in the page: ms from the key to the picture that shows the bubble. */
function untilBubble(text: string): Promise<number> {
  return new Promise((resolve) => {
    let began = 0
    addEventListener('keydown', (event) => { began = event.timeStamp }, { capture: true, once: true })
    const log = document.querySelector('[role="log"]')
    if (log === null) throw new Error('no log')
    const look = new MutationObserver(() => {
      if (![...log.querySelectorAll('p')].some((p) => p.textContent === text)) return
      look.disconnect()
      requestAnimationFrame(() => {
        const channel = new MessageChannel()
        channel.port1.onmessage = () => { resolve(performance.now() - began) }
        channel.port2.postMessage(null)
      })
    })
    look.observe(log, { childList: true, subtree: true, characterData: true })
  })
}

function figures(all: number[], unit: string): string {
  const sorted = [...all].sort((a, b) => a - b)
  const median = sorted[sorted.length >> 1] ?? 0
  return `best ${sorted[0]?.toFixed(1)} ${unit}, median ${median.toFixed(1)} ${unit} of ${all.length}`
}

function report(what: string, measured: string, budget: string) {
  console.log(`    figure: ${what}: ${measured} (budget ${budget})`)
}
