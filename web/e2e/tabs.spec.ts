import { expect, test } from './fixtures'
import { Messenger, tall } from './messenger'

test('the tab that owns the socket is closed in the middle of sending: the other one goes on, each arrives once', async ({ newPage, person, api, complaints }) => {
  const [annAccount, ben] = await Promise.all([api.register('Ann'), person('Ben', tall)])
  const conversation = await api.conversation(annAccount, 'direct', [ben.account])
  const leader = await newPage(tall)
  // From some moment on the leader hears nothing: what it sends arrives, and it can't know that.
  let mute = false
  let unheard = 0
  await leader.routeWebSocket(/\/ws/, (socket) => {
    const server = socket.connectToServer()
    socket.onMessage((frame) => { server.send(frame) })
    server.onMessage((frame) => {
      if (!mute) socket.send(frame)
      else if (frame.toString().includes('"status":"sent"')) unheard++
    })
  })
  const first = new Messenger(leader)
  await leader.goto('/')
  await first.signIn(annAccount.username, annAccount.password)
  const page = await leader.context().newPage()
  await complaints.watch(page)
  await page.goto('/')
  const second = new Messenger(page)
  await second.signedIn()
  await Promise.all([first.open('Ben'), second.open('Ben'), ben.app.open('Ann')])

  const all = Array.from({ length: 12 }, (_, i) => `message ${i + 1}`)
  for (const text of all.slice(0, 4)) await first.send(text)
  await first.expectTick('message 4', 'Read')
  mute = true
  for (const text of all.slice(4, 8)) await first.send(text)
  await second.send(all[8]!)
  await expect(second.message(all[8]!)).toBeVisible()
  await expect.poll(() => unheard).toBe(1)
  await expect(ben.app.message(all[4]!)).toBeVisible()
  await second.expectTick(all[7]!, 'Waiting to be sent')

  await leader.close()
  for (const text of all.slice(9)) await second.send(text)
  await second.expectTick(all[11]!, 'Read')
  await expect(ben.app.message(all[11]!)).toBeVisible()
  expect((await api.history(ben.account, conversation)).map((m) => m.content)).toEqual(all)
  expect(await second.texts()).toEqual(all)
  expect(await ben.app.texts()).toEqual(all)
})

test('signed out in one tab is signed out in both', async ({ person, complaints }) => {
  const ann = await person('Ann')
  const page = await ann.page.context().newPage()
  await complaints.watch(page)
  await page.goto('/')
  const other = new Messenger(page)
  await other.signedIn()
  await ann.app.signOut()
  for (const one of [ann.page, page]) await expect(one.getByRole('heading', { name: 'Sign in to Murre' })).toBeVisible()
})
