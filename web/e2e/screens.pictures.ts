/// <reference lib="dom" />
import { join } from 'node:path'
import type { BrowserContextOptions, Page } from '@playwright/test'
import type { Account, Api } from './api'
import { expect, test } from './fixtures'
import { Messenger } from './messenger'
import { picture } from './picture'

const folder = process.env.WEB_SCREENSHOTS ?? 'test-results'
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }
const desktop = { viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1 }

interface Scene {
  robin: Account
  mira: Account
  /** To be sent over the page's own upload, so that the picture has a thumbnail. */
  group: string
}

/** Two people, a group and some history that looks like any evening's. */
async function scene(api: Api): Promise<Scene> {
  const robin = await api.register('robin', 'Robin Vale')
  const mira = await api.register('mira', 'Mira Okafor')
  const [jonas, salma, tove] = await Promise.all([api.register('jonas', 'Jonas Lind'), api.register('salma', 'سلمى حداد'), api.register('tove', 'Tove Aas')])
  const group = await api.conversation(tove!, 'group', [robin, mira, jonas!, salma!], 'Cliff watch')
  const say = async (by: Account, where: string, ...texts: string[]) => { for (const text of texts) await api.send(by, where, text) }
  await say(tove!, group, 'Counted 412 on the north ledge this morning, 40 more than last week.', 'First egg! Left of the big crack.')
  await say(jonas!, group, 'Photo or it didn’t happen 😄')
  await say(salma!, group, 'ما شاء الله! متى نذهب معًا؟')
  const channel = await api.conversation(jonas!, 'channel', [robin, mira], 'Ferry times')
  await say(jonas!, channel, 'Saturday: 07:10, 11:40, 16:25. The last one only if the wind stays below 12 m/s.')
  const other = await api.conversation(jonas!, 'direct', [robin])
  await say(jonas!, other, 'Can you bring the long lens?')
  const direct = await api.conversation(mira, 'direct', [robin])
  await say(mira, direct, 'Are you at the cliff already?')
  await say(robin, direct, 'Since six. The light is wonderful, and hardly any wind.')
  await say(mira, direct, 'Then I’ll take the 7:10. What should I bring?')
  await say(robin, direct, 'Tea. The map is here: https://example.org/maps/north-ledge', 'And a hat, they have an opinion about visitors.')
  return { robin, mira, group }
}

async function open(newPage: (options?: BrowserContextOptions) => Promise<Page>, account: Account, options: BrowserContextOptions): Promise<Messenger> {
  const page = await newPage(options)
  const app = new Messenger(page)
  await page.goto('/')
  await app.signIn(account.username, account.password)
  return app
}

async function shoot(page: Page, name: string) {
  // Settled: fonts are there, nothing fades any more, pictures are decoded.
  await page.evaluate(async () => {
    await document.fonts.ready
    await Promise.all([...document.images].map((image) => image.decode().catch(() => undefined)))
    await Promise.all(document.getAnimations().filter((a) => a.effect?.getComputedTiming().iterations !== Infinity).map((a) => a.finished.catch(() => undefined)))
  })
  await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled', caret: 'hide' })
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`screens, ${colorScheme}`, async ({ newPage, api }) => {
    test.setTimeout(300_000)
    const { robin, mira } = await scene(api)
    const theirs = await open(newPage, mira, desktop)
    await theirs.open('Robin Vale')
    await theirs.attach({ name: 'north-ledge.png', mimeType: 'image/png', buffer: picture(960, 600) })
    await theirs.send('Found this from last year!')
    await theirs.expectTick('Found this from last year!', 'Sent')

    const wide = await open(newPage, robin, { ...desktop, colorScheme })
    await shoot(wide.page, `desktop-list-${colorScheme}`)
    await wide.open('Mira Okafor')
    await expect(wide.message('Found this from last year!')).toBeVisible()
    await theirs.choose('Since six. The light is wonderful, and hardly any wind.', 'Reply')
    await theirs.send('On my way 🚢')
    await theirs.message('And a hat, they have an opinion about visitors.').getByText('And a hat').click({ button: 'right' })
    await theirs.page.getByRole('button', { name: 'React with 😂' }).click()
    await wide.send('See you at the pier')
    await wide.expectTick('See you at the pier', 'Read')
    await theirs.composer.pressSequentially('I')
    await expect(wide.page.getByText('is typing').first()).toBeVisible()
    await shoot(wide.page, `desktop-chat-${colorScheme}`)
    await wide.page.getByRole('button', { name: 'Details', exact: true }).click()
    await expect(wide.page.getByRole('region', { name: 'Details' }).getByRole('button').first()).toBeVisible()
    await shoot(wide.page, `desktop-details-${colorScheme}`)
    await wide.page.getByRole('button', { name: 'Profile and settings' }).click()
    await expect(wide.page.getByRole('dialog')).toBeVisible()
    await shoot(wide.page, `desktop-settings-${colorScheme}`)

    const page = await newPage({ ...phone, colorScheme })
    await page.goto('/')
    await expect(page.getByRole('heading', { name: 'Sign in to Murre' })).toBeVisible()
    await shoot(page, `phone-sign-in-${colorScheme}`)
    const small = new Messenger(page)
    await small.signIn(robin.username, robin.password)
    await expect(small.conversation('Cliff watch')).toBeVisible()
    await shoot(page, `phone-list-${colorScheme}`)
    await small.conversation('Cliff watch').tap()
    await expect(small.log).toBeVisible()
    await shoot(page, `phone-group-${colorScheme}`)
    await page.getByRole('button', { name: 'Back' }).first().tap()
    await small.conversation('Mira Okafor').tap()
    await expect(small.message('See you at the pier')).toBeVisible()
    await shoot(page, `phone-chat-${colorScheme}`)
  })

  test(`demo, ${colorScheme}`, async ({ newPage }) => {
    test.setTimeout(120_000)
    const page = await newPage({ viewport: { width: 1600, height: 1000 }, colorScheme })
    await page.goto('/demo')
    const alice = new Messenger(page, page.getByRole('region', { name: 'Alice\'s phone' }))
    const bob = new Messenger(page, page.getByRole('region', { name: 'Bob\'s phone' }))
    await expect(alice.scope.getByText('Alice: live')).toBeVisible()
    await expect(bob.scope.getByText('Bob: live')).toBeVisible()
    const lines = colorScheme === 'light' ? ['Did it arrive?', 'It did'] : ['Still there?', 'Always']
    await alice.send(lines[0]!)
    await expect(bob.message(lines[0]!)).toBeVisible()
    await bob.send(lines[1]!)
    await expect(alice.message(lines[1]!)).toBeVisible()
    await expect(page.locator('td[data-step="read"][data-lit]')).toHaveCount(2)
    await bob.scope.getByRole('button', { name: 'Go offline' }).click()
    await alice.send('You are offline, so this one waits')
    await expect(page.locator('[data-counter="stored"] dd')).toHaveText('3')
    await shoot(page, `demo-${colorScheme}`)
  })
}
