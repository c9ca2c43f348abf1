/// <reference lib="dom" />
import { expect, expectAccessible, test } from './fixtures'

const hostile = {
  script: '<script>window.hit=1</script><img src=x onerror="window.hit=2"><svg onload="window.hit=3">',
  links: 'javascript:window.hit=4 data:text/html,<script>window.hit=5</script> https://example.org/"onmouseover="window.hit=6',
  bidi: '\u202Egnp.exe\u202C \u2066\u2067\u2068 \u202E abc',
  zalgo: 'Z' + '\u0300\u0301\u0302\u0489'.repeat(200) + 'algo',
  nul: 'a\u0000b\u0001c\uFFFE',
  long: 'x'.repeat(10_000),
  template: '{{constructor.constructor("window.hit=7")()}} ${window.hit=8}',
}

test('hostile names and messages are shown harmlessly', async ({ person, api }) => {
  const ann = await person('Ann')
  const mallory = await api.register('mallory', '\u202E<b onclick=alert(1)>M\u0300\u0301\u0302\u0303\u0304\u0305</b>')
  const conversation = await api.conversation(mallory, 'direct', [ann.account])
  const group = await api.conversation(mallory, 'group', [ann.account], `\u202E${'W'.repeat(60)}<i>`)
  await api.send(mallory, group, hostile.bidi)
  for (const text of Object.values(hostile)) await api.send(mallory, conversation, text)

  const rows = ann.page.getByRole('option')
  await expect(rows).toHaveCount(2)
  await rows.filter({ hasText: 'constructor' }).click()
  await expect(ann.app.message(hostile.template)).toBeVisible()
  await ann.app.log.evaluate((log) => { log.scrollTop = 0 })
  await expect(ann.app.message(hostile.script)).toBeVisible()

  // Nothing ran, nothing became an element, nothing links but to the web.
  expect(await ann.page.evaluate(() => (window as unknown as { hit?: number }).hit)).toBeUndefined()
  expect(await ann.app.log.locator('script, img[src="x"], b, i, iframe, object').count()).toBe(0)
  const links = await ann.app.log.locator('a').evaluateAll((all) => all.map((a) => ({ href: (a as HTMLAnchorElement).protocol, rel: a.getAttribute('rel') })))
  for (const link of links) {
    expect(['http:', 'https:']).toContain(link.href)
    expect(link.rel).toContain('noopener')
  }

  // Nothing leaves its place: no sideways scrolling, no bubble over its neighbour, no character far out of its line.
  const layout = await ann.page.evaluate(() => ({
    page: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    log: [...document.querySelectorAll('[role="log"]')].map((log) => log.scrollWidth - log.clientWidth)[0],
  }))
  expect(layout).toEqual({ page: 0, log: 0 })
  const boxes = await ann.app.rows.evaluateAll((all) => all.map((row) => row.getBoundingClientRect()).map(({ top, bottom }) => ({ top, bottom })).sort((a, b) => a.top - b.top))
  for (const [i, box] of boxes.entries()) if (i > 0) expect(box.top).toBeGreaterThanOrEqual(boxes[i - 1]!.bottom - 1)
  await expectAccessible(ann.page, 'hostile messages')

  // And the override in a name turns nothing but the name.
  await ann.app.send('plain')
  await ann.app.expectTick('plain', 'Sent')
})

test('a hostile file name and a page sent as a file', async ({ person, api }) => {
  const [ann, ben] = await Promise.all([person('Ann'), person('Ben')])
  await api.conversation(ann.account, 'direct', [ben.account])
  await Promise.all([ann.app.open('Ben'), ben.app.open('Ann')])
  const name = `fdp.<img src=x onerror=window.hit=1>${'w'.repeat(180)}.html`
  await ann.app.attach({ name, mimeType: 'text/html', buffer: Buffer.from('<script>opener.hit=1</script>') })
  await ann.app.composer.press('Enter')
  await expect(ben.app.rows).toHaveCount(1)
  await expect(ben.app.log.locator('img[src="x"]')).toHaveCount(0)
  // It is saved, never shown as a page of ours.
  const [download] = await Promise.all([ben.page.waitForEvent('download'), ben.app.rows.getByRole('button', { name: /^Save the file/ }).click()])
  expect(download.suggestedFilename()).toMatch(/html$/)
  expect(ben.page.context().pages()).toHaveLength(1)
  expect(await ben.page.evaluate(() => (window as unknown as { hit?: number }).hit)).toBeUndefined()
  expect(await ben.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0)
})
