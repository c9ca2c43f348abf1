/// <reference lib="dom" />
import type { Page } from '@playwright/test'
import { expect, expectAccessible, test } from './fixtures'

test('a channel: made, joined, posted to by its admin, read by everybody else', async ({ person, api }) => {
  const [ann, ben, cem] = await Promise.all([person('Ann'), person('Ben'), api.register('Cem')])
  await ann.page.getByRole('button', { name: 'New conversation' }).click()
  await ann.page.getByRole('menuitem', { name: 'New channel' }).click()
  const dialog = ann.page.getByRole('dialog', { name: 'New channel' })
  await dialog.getByLabel('Channel name').fill('Ferry times')
  await dialog.getByRole('combobox', { name: 'People' }).fill(ben.account.username)
  await dialog.getByRole('option').filter({ hasText: ben.account.username }).click()
  await expectAccessible(ann.page, 'the new channel dialog')
  await dialog.getByRole('button', { name: 'Create channel' }).click()
  await expect(ann.app.log).toBeVisible()
  await ann.app.send('Saturday: 07:10 and 16:25')

  await ben.app.open('Ferry times')
  await expect(ben.app.message('Saturday: 07:10 and 16:25')).toBeVisible()
  await expect(ben.page.getByText('Only admins post in this channel.')).toBeVisible()
  await expect(ben.app.composer).toHaveCount(0)
  await expectAccessible(ben.page, 'a channel')

  // Who is let in later reads what comes from then on.
  await ann.page.getByRole('button', { name: 'Details', exact: true }).click()
  await ann.page.getByRole('button', { name: 'Add' }).click()
  const add = ann.page.getByRole('dialog')
  await add.getByRole('combobox', { name: 'People' }).fill(cem.username)
  await add.getByRole('option').filter({ hasText: cem.username }).click()
  await add.getByRole('button', { name: /^Add/ }).last().click()
  await expect(add).toHaveCount(0)
  const late = await person('Cem', { account: cem })
  await late.app.open('Ferry times')
  await ann.app.send('The 16:25 is off')
  await Promise.all([ben, late].map((p) => expect(p.app.message('The 16:25 is off')).toBeVisible()))
  expect(await ben.app.texts()).toEqual(['Saturday: 07:10 and 16:25', 'The 16:25 is off'])
  expect(await late.app.texts()).toEqual(['The 16:25 is off'])
})

test('receipts by member: read here, delivered there, not yet with the third', async ({ person, api }) => {
  test.slow() // what is stored of deliveries follows the verified cursor: on a cluster within its --verify-interval of 30 s
  const [ann, ben, cem, dia] = await Promise.all([person('Ann'), person('Ben'), person('Cem'), api.register('Dia')])
  const group = await api.conversation(ann.account, 'group', [ben.account, cem.account, dia], 'Cliff')
  await Promise.all([ann.app.open('Cliff'), ben.app.open('Cliff')])
  await ann.app.send('Who has seen it?')
  await expect(ben.app.message('Who has seen it?')).toBeVisible()
  await expect(cem.app.conversation('Cliff')).toContainText('1 unread')
  await expect.poll(async () => {
    const { receipts } = await api.call<{ receipts: Receipt[] }>('GET', `/conversations/${group}/receipts`, ann.account.token)
    return receipts.map((r) => [r.userId, r.deliveredTo !== undefined, r.readTo !== undefined])
  }, { timeout: 60_000 }).toEqual(expect.arrayContaining([[ben.account.id, true, true], [cem.account.id, true, false]]))
  await ann.app.choose('Who has seen it?', 'Who has read it')
  const dialog = ann.page.getByRole('dialog', { name: 'Who has read it' })
  await expect(dialog.getByRole('listitem')).toHaveText([/Ben.*Read/, /Cem.*Delivered/, /Dia.*Not delivered yet/])
  await expectAccessible(ann.page, 'the receipts')
})

test('who is blocked is not heard until unblocked', async ({ person, api }) => {
  const [ann, ben] = await Promise.all([person('Ann'), person('Ben')])
  await api.conversation(ann.account, 'direct', [ben.account])
  await Promise.all([ann.app.open('Ben'), ben.app.open('Ann')])
  await ann.page.getByRole('button', { name: 'Details', exact: true }).click()
  await ann.page.getByRole('button', { name: 'Block', exact: true }).click()
  await expect(ann.page.getByRole('button', { name: 'Unblock' })).toBeVisible()
  await expectAccessible(ann.page, 'the details of somebody blocked')
  await ben.app.send('Can you hear me?')
  await ben.app.expectTick('Can you hear me?', 'Not sent')
  await expect(ann.app.message('Can you hear me?')).toHaveCount(0)

  // And taken back where all of them are listed.
  await ann.page.getByRole('button', { name: 'Profile and settings' }).click()
  const settings = ann.page.getByRole('dialog')
  await settings.getByRole('button', { name: 'Blocked' }).click()
  await settings.getByRole('listitem').filter({ hasText: 'Ben' }).getByRole('button', { name: 'Unblock' }).click()
  await expect(settings.getByText('You block nobody.')).toBeVisible()
  await ann.page.keyboard.press('Escape')
  await ben.app.choose('Can you hear me?', 'Try again')
  await expect(ann.app.message('Can you hear me?')).toBeVisible()
  await ben.app.expectTick('Can you hear me?', 'Read')
})

test('what comes while nobody looks is notified, and read only when somebody does', async ({ newPage, api, address }) => {
  const [annAccount, ben, cem] = await Promise.all([api.register('Ann'), api.register('Ben'), api.register('Cem')])
  const direct = await api.conversation(ben, 'direct', [annAccount])
  const quiet = await api.conversation(cem, 'direct', [annAccount])
  const page = await newPage()
  await page.context().grantPermissions(['notifications'], { origin: address })
  await page.addInitScript(recordNotifications)
  const { Messenger } = await import('./messenger')
  const app = new Messenger(page)
  await page.goto('/')
  await app.signIn(annAccount.username, annAccount.password)
  await page.getByRole('button', { name: 'Profile and settings' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Appearance' }).click()
  await page.getByRole('dialog').getByRole('switch', { name: 'Notifications' }).check()
  await page.keyboard.press('Escape')
  await app.open('Cem')
  await page.getByRole('button', { name: 'Details', exact: true }).click()
  await page.getByLabel('Mute').click()
  await expect(page.getByLabel('Mute')).toBeChecked()
  await app.open('Ben')

  const notified = async () => await page.evaluate(() => (window as unknown as Notified).notified.map((n) => [n.title, n.body]))
  const readTo = async () => (await api.call<{ receipts: Receipt[] }>('GET', `/conversations/${direct}/receipts`, ben.token)).receipts.find((r) => r.userId === annAccount.id)?.readTo
  const seen = await api.send(ben, direct, 'while you look')
  await expect.poll(readTo).toBe(seen.id)
  await look(page, 'hidden')
  await api.send(cem, quiet, 'muted')
  const unseen = await api.send(ben, direct, 'while you don’t')
  await expect(app.message('while you don’t')).toBeVisible()
  await expect.poll(notified).toEqual([['Ben', 'while you don’t']])
  await expect(page).toHaveTitle('(1) Murre')
  expect(await readTo()).toBe(seen.id)

  await look(page, 'visible')
  await expect(page).toHaveTitle('Murre')
  await expect.poll(readTo).toBe(unseen.id)
  // A click on it opens what it was about.
  await app.open('Cem')
  await page.evaluate(() => { (window as unknown as Notified).notified[0]!.onclick?.() })
  await expect(page.getByRole('region', { name: 'Ben' })).toBeVisible()
})

test('search finds people and cached messages, without a network too, and goes there', async ({ person, api, complaints }) => {
  complaints.allowNetworkTrouble()
  const [annAccount, ben] = await Promise.all([api.register('Ann'), api.register('Ben')])
  const direct = await api.conversation(ben, 'direct', [annAccount])
  await api.send(ben, direct, 'The Needle is in the northern haystack')
  for (let i = 0; i < 45; i++) await api.send(ben, direct, `straw ${i}`)
  const ann = await person('Ann', { account: annAccount })
  await ann.app.open('Ben')
  await expect(ann.app.rows.first()).toBeVisible()
  const hits = ann.page.getByRole('listbox', { name: 'Search results' }).getByRole('option')
  await ann.app.search.fill('needle')
  await expect(hits.filter({ hasText: 'northern haystack' })).toBeVisible()
  await expect(hits.getByText('Needle', { exact: true })).toBeVisible()
  await expectAccessible(ann.page, 'the search')
  await ann.page.keyboard.press('Escape')

  await ann.page.context().setOffline(true)
  await ann.app.expectBanner(/offline|No connection/i)
  await ann.app.search.fill('haystack')
  await hits.filter({ hasText: 'northern haystack' }).click()
  const found = ann.app.message('The Needle is in the northern haystack')
  await expect(found).toBeInViewport()
  await expect(ann.app.search).toHaveValue('')
  await ann.app.search.fill('nobody has ever written this')
  await expect(ann.page.getByText('Nothing found.')).toBeVisible()
})

interface Receipt {
  userId: string
  deliveredTo?: string
  readTo?: string
}

interface Notified {
  notified: { title: string; body: string; onclick?: () => void }[]
}

/** Runs in the page: the system's own notifications can't be seen from here, so that these stand in for them. */
function recordNotifications() {
  const target = window as unknown as Notified
  target.notified = []
  class Recorded {
    static permission = 'granted'
    static requestPermission = () => Promise.resolve('granted')
    title: string
    body: string
    onclick?: () => void
    constructor(title: string, options: { body: string }) {
      this.title = title
      this.body = options.body
      target.notified.push(this)
    }
    close() { /* nothing to take away */ }
  }
  Object.assign(window, { Notification: Recorded })
}

/** A headless browser hides no page. */
async function look(page: Page, state: 'visible' | 'hidden') {
  await page.evaluate((now) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => now })
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => now === 'hidden' })
    document.dispatchEvent(new Event('visibilitychange'))
  }, state)
}
