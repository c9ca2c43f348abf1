import { expect, test } from './fixtures'
import { tall } from './messenger'

const numbered = (what: string, n: number) => Array.from({ length: n }, (_, i) => `${what} ${i + 1}`)

test('offline: 20 written here, 50 come there, a reload between; all in order, once', async ({ person, api, complaints }) => {
  complaints.allowNetworkTrouble()
  const [ann, ben] = await Promise.all([person('Ann', tall), person('Ben', tall)])
  const conversation = await api.conversation(ann.account, 'direct', [ben.account])
  await Promise.all([ann.app.open('Ben'), ben.app.open('Ann')])
  await ann.app.send('before')
  await ben.app.expectTick('before', 'Read').catch(() => undefined)
  await expect(ben.app.message('before')).toBeVisible()
  // The page must be there without a network: the service worker has it.
  await ann.page.waitForFunction(async () => (await navigator.serviceWorker.ready).active?.state === 'activated')

  await ann.page.context().setOffline(true)
  await ann.app.expectBanner(/offline|No connection/i)
  const own = numbered('own', 20)
  for (const text of own) await ann.app.send(text)
  await ann.app.expectTick('own 20', 'Waiting to be sent')
  const theirs = numbered('theirs', 50)
  for (const text of theirs) await api.send(ben.account, conversation, text)

  await ann.page.reload()
  await ann.app.signedIn()
  await ann.app.open('Ben')
  await expect(ann.app.message('own 20')).toBeVisible()
  expect(await ann.app.texts()).toEqual(['before', ...own])
  await ann.app.expectTick('own 1', 'Waiting to be sent')

  await ann.page.context().setOffline(false)
  await ann.app.expectTick('own 20', 'Read')
  await expect(ann.app.message('theirs 50')).toBeVisible()
  await expect(ben.app.message('own 20')).toBeVisible()

  const stored = (await api.history(ben.account, conversation)).map((m) => m.content)
  expect(stored.filter((text) => text.startsWith('own'))).toEqual(own)
  expect(stored).toHaveLength(71)
  expect(await ann.app.texts()).toEqual(stored)
  expect(await ben.app.texts()).toEqual(stored)
})

test('the page itself comes up without a network', async ({ person, complaints }) => {
  complaints.allowNetworkTrouble()
  const ann = await person('Ann')
  await ann.page.waitForFunction(async () => (await navigator.serviceWorker.ready).active?.state === 'activated')
  await ann.page.context().setOffline(true)
  await ann.page.reload()
  await ann.app.signedIn()
})

test('@own-server the server is killed in the middle of sending: all arrive in order, once', async ({ ownServer, person, complaints }) => {
  complaints.allowNetworkTrouble()
  const { Api } = await import('./api')
  const api = new Api(ownServer.url)
  const [annAccount, benAccount] = await Promise.all([api.register('Ann'), api.register('Ben')])
  const conversation = await api.conversation(annAccount, 'direct', [benAccount])
  const [ann, ben] = await Promise.all([
    person('Ann', { ...tall, baseURL: ownServer.url, account: annAccount }),
    person('Ben', { ...tall, baseURL: ownServer.url, account: benAccount }),
  ])
  await Promise.all([ann.app.open('Ben'), ben.app.open('Ann')])
  const all = numbered('message', 60)
  for (const text of all.slice(0, 20)) await ann.app.send(text)
  const killed = ownServer.kill()
  for (const text of all.slice(20, 40)) await ann.app.send(text)
  await killed
  await ann.app.expectBanner(/connection|connecting/i)
  await ownServer.start()
  for (const text of all.slice(40)) await ann.app.send(text)
  await ann.app.expectTick('message 60', 'Read')
  await expect(ben.app.message('message 60')).toBeVisible()
  expect((await api.history(benAccount, conversation)).map((m) => m.content)).toEqual(all)
  expect(await ann.app.texts()).toEqual(all)
  expect(await ben.app.texts()).toEqual(all)
})
