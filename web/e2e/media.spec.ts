/// <reference lib="dom" />
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { expect, expectAccessible, test } from './fixtures'
import { picture } from './picture'

test('media both ways: a picture and a document', async ({ person, api }) => {
  const [ann, ben] = await Promise.all([person('Ann'), person('Ben')])
  await api.conversation(ann.account, 'direct', [ben.account])
  await Promise.all([ann.app.open('Ben'), ben.app.open('Ann')])

  await ann.app.attach({ name: 'cliff.png', mimeType: 'image/png', buffer: picture(640, 400) })
  await ann.app.composer.fill('The cliff')
  await ann.app.composer.press('Enter')
  const shown = ben.app.message('The cliff').locator('img').last()
  await expect(shown).toBeVisible()
  await expect.poll(async () => await shown.evaluate((img) => (img as HTMLImageElement).complete && (img as HTMLImageElement).naturalWidth > 0)).toBe(true)
  await ann.app.expectTick('The cliff', 'Read')
  await expectAccessible(ben.page, 'a chat with a picture')
  await ben.app.message('The cliff').getByRole('button', { name: /cliff\.png|picture|image|open/i }).first().click()
  await expect(ben.page.getByRole('dialog')).toBeVisible()
  await expectAccessible(ben.page, 'the lightbox')
  await ben.page.keyboard.press('Escape')
  await expect(ben.page.getByRole('dialog')).toHaveCount(0)

  const text = Buffer.from('the notes\n'.repeat(100))
  await ben.app.attach({ name: 'notes.txt', mimeType: 'text/plain', buffer: text })
  await ben.app.composer.press('Enter')
  const row = ann.app.rows.filter({ hasText: 'notes.txt' })
  await expect(row).toBeVisible()
  const [download] = await Promise.all([ann.page.waitForEvent('download'), row.getByRole('link').or(row.getByRole('button', { name: /notes\.txt|download/i })).first().click()])
  expect(await readFile(await download.path())).toEqual(text)
})

test('a large file shows its progress, can be stopped, and goes on where it was', async ({ person, api, complaints }) => {
  complaints.allowNetworkTrouble()
  const [ann, ben] = await Promise.all([person('Ann'), person('Ben')])
  await api.conversation(ann.account, 'direct', [ben.account])
  await Promise.all([ann.app.open('Ben'), ben.app.open('Ann')])
  // Slow enough that there is something to stop.
  const line = await ann.page.context().newCDPSession(ann.page)
  await line.send('Network.enable')
  await line.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 3 << 20 })
  const content = randomBytes(12 << 20)
  await ann.app.attach({ name: 'film.bin', mimeType: 'application/octet-stream', buffer: content })
  await ann.app.composer.press('Enter')
  const row = ann.app.rows.filter({ hasText: 'film.bin' })
  await expect(row.getByRole('progressbar')).toBeVisible()
  await row.getByRole('button', { name: /cancel|pause|stop/i }).first().click()
  const again = row.getByRole('button', { name: /resume|try again|go on/i }).first()
  await expect(again).toBeVisible()
  await line.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 })
  await again.click()
  const arrived = ben.app.rows.filter({ hasText: 'film.bin' })
  await expect(arrived).toBeVisible({ timeout: 60_000 })
  const [download] = await Promise.all([ben.page.waitForEvent('download'), arrived.getByRole('link').or(arrived.getByRole('button', { name: /film\.bin|download/i })).first().click()])
  expect((await readFile(await download.path())).equals(content)).toBe(true)
})
