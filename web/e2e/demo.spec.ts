import { expect, expectAccessible, test } from './fixtures'
import { Messenger } from './messenger'

const steps = ['queued', 'stored', 'published', 'delivered', 'read']

// The demo needs --demo and its two logins, which are the same for everyone: one test at a time.
test.describe.configure({ mode: 'serial' })

test('@own-server /demo: the steps of a message light up, whatever happens to the phones', async ({ newPage, complaints }) => {
  complaints.allowNetworkTrouble()
  const page = await newPage({ viewport: { width: 1600, height: 950 } })
  await page.goto('/demo')
  const left = new Messenger(page, page.getByRole('region', { name: 'Alice\'s phone' }))
  const right = new Messenger(page, page.getByRole('region', { name: 'Bob\'s phone' }))
  await expect(left.log).toBeVisible()
  await expect(right.log).toBeVisible()
  await expect(left.scope.getByText('Alice: live')).toBeVisible()
  await expect(right.scope.getByText('Bob: live')).toBeVisible()

  const trace = page.getByRole('region', { name: 'Delivery trace' })
  const rows = trace.locator('tbody tr')
  const lit = async (n: number) => await rows.nth(n).locator('td[data-lit]').count()
  const text = `Hello ${Date.now()}`
  await left.send(text)
  await expect(right.message(text)).toBeVisible()
  await expect.poll(async () => await lit(0)).toBe(steps.length)
  await expectAccessible(page, '/demo')

  // Bob goes away: stored is as far as a message comes, until he is back.
  await right.scope.getByRole('button', { name: 'Go offline' }).click()
  await expect(right.scope.getByText('Bob: offline by choice')).toBeVisible()
  await left.scope.getByRole('button', { name: 'Send 10' }).click()
  await expect(rows).toHaveCount(11)
  await expect(page.locator('[data-counter="stored"] dd')).toHaveText('11')
  await expect.poll(async () => await lit(0)).toBe(2)
  // The phone's own banner offers the same; the one below the phone is the last.
  await right.scope.getByRole('button', { name: 'Go online' }).last().click()
  await expect.poll(async () => await trace.locator('tbody tr:not(:has(td:not([data-lit])))').count()).toBe(11)

  // Connections are killed while both talk.
  await left.scope.getByRole('button', { name: 'Send 10' }).click()
  await right.scope.getByRole('button', { name: 'Send 10' }).click()
  await left.scope.getByRole('button', { name: 'Kill the connection' }).click()
  await right.scope.getByRole('button', { name: 'Kill the connection' }).click()
  await expect(page.locator('[data-counter="stored"] dd')).toHaveText('31')
  await expect.poll(async () => await trace.locator('tbody tr:not(:has(td:not([data-lit])))').count(), { timeout: 60_000 }).toBe(31)
  for (const fault of ['lost', 'doubled', 'reordered']) await expect(page.locator(`[data-counter="${fault}"] dd`)).toHaveText('0')

  await page.reload()
  for (const phone of [left, right]) await expect(phone.message('Bob: 10 of 10')).toBeVisible()
})

test('@own-server without --demo there is no demo', async ({ ownServer, request }) => {
  expect((await request.get(`${ownServer.url}/demo`)).status()).toBe(404)
  expect((await request.get(`${ownServer.url}/demo.html`)).status()).toBe(404)
})
