/// <reference lib="dom" />
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Page } from '@playwright/test'
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

test('a film is sent, shown as one, and played', async ({ person, api }) => {
  const [ann, ben] = await Promise.all([person('Ann'), person('Ben')])
  await api.conversation(ann.account, 'direct', [ben.account])
  await Promise.all([ann.app.open('Ben'), ben.app.open('Ann')])
  await ann.app.attach({ name: 'ledge.webm', mimeType: 'video/webm', buffer: await film(ann.page) })
  await ann.app.composer.fill('They fly')
  await ann.app.composer.press('Enter')
  const row = ben.app.message('They fly')
  await expect(row.getByRole('button', { name: 'Play the video ledge.webm' })).toBeVisible()
  await expectAccessible(ben.page, 'a chat with a film')
  await row.getByRole('button', { name: 'Play the video ledge.webm' }).click()
  const video = row.locator('video')
  await expect.poll(async () => await video.evaluate((v) => (v as HTMLVideoElement).videoWidth)).toBe(160)
  await expect.poll(async () => await video.evaluate((v) => (v as HTMLVideoElement).currentTime)).toBeGreaterThan(0)
  expect(await video.evaluate((v) => (v as HTMLVideoElement).error)).toBeNull()
  await ann.app.expectTick('They fly', 'Read')
})

/** Half a second of film, recorded by the browser itself. */
async function film(page: Page): Promise<Buffer> {
  const bytes = await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 120 })
    const draw = canvas.getContext('2d')!
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: 'video/webm;codecs=vp8' })
    const parts: Blob[] = []
    recorder.ondataavailable = (event) => { parts.push(event.data) }
    const stopped = new Promise((resolve) => { recorder.onstop = resolve })
    recorder.start()
    for (let i = 0; i < 15; i++) {
      draw.fillStyle = `hsl(${i * 20} 60% 50%)`
      draw.fillRect(0, 0, 160, 120)
      await new Promise((resolve) => setTimeout(resolve, 40))
    }
    recorder.stop()
    await stopped
    return [...new Uint8Array(await new Blob(parts).arrayBuffer())]
  })
  return Buffer.from(bytes)
}
