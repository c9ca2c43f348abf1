/// <reference lib="dom" />
import { expect, test } from './fixtures'
import { seedHistory } from './seed'

/** From the last letter to the first hit on the screen, the field's own wait of 120 ms included. */
const budgetMs = 500

test('@measure a rare word in 10,000 cached messages', async ({ person, api }) => {
  test.setTimeout(180_000)
  const ann = await person('Ann')
  const ben = await api.register('Ben')
  const conversation = await api.conversation(ann.account, 'direct', [ben])
  await api.send(ben, conversation, 'newest')
  await ann.app.open('Ben')
  await expect(ann.app.message('newest')).toBeVisible()
  const opened = ann.page.url()
  await ann.page.goto('/docs')
  await seedHistory(ann.page, conversation, 10_000)
  await ann.page.goto(opened)
  await ann.app.signedIn()

  const took: number[] = []
  // Each is in one message only, among the oldest.
  for (const rare of ['17:', '23:', '42:']) {
    await ann.app.search.fill(rare)
    const shown = ann.page.evaluate(untilHit, ` ${rare}`)
    await ann.app.search.press('Space')
    took.push(await shown)
    await ann.app.search.fill('')
  }
  const sorted = took.sort((a, b) => a - b)
  console.log(`    figure: search in 10,000 cached: best ${sorted[0]!.toFixed(0)} ms, median ${sorted[1]!.toFixed(0)} ms of 3 (budget ${budgetMs} ms)`)
  expect(sorted[0]).toBeLessThanOrEqual(budgetMs)
})

/** Runs in the page: ms from the next key to a hit of the search. */
function untilHit(): Promise<number> {
  return new Promise((resolve) => {
    let began = 0
    addEventListener('keydown', (event) => { began = event.timeStamp }, { capture: true, once: true })
    const look = () => {
      if (began > 0 && document.querySelector('#search-results mark') !== null) resolve(performance.now() - began)
      else requestAnimationFrame(look)
    }
    requestAnimationFrame(look)
  })
}
