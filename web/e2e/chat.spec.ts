import { expect, expectAccessible, test } from './fixtures'

test('two people chat: ticks to blue, typing, presence, unread counts', async ({ person, api }) => {
  const [ann, ben] = await Promise.all([person('Ann'), person('Ben')])
  await api.conversation(ann.account, 'direct', [ben.account])

  await ann.app.open('Ben')
  await expect(ann.page.getByText('online', { exact: true }).first()).toBeVisible()
  await ann.app.send('Hello Ben')
  await ann.app.expectTick('Hello Ben', 'Delivered')
  // Delivered, not read: Ben hasn't opened it, and his list says so.
  await expect(ben.app.conversation('Ann')).toContainText('1 unread')
  await expect(ben.app.conversation('Ann')).toContainText('Hello Ben')

  await ben.app.open('Ann')
  await expect(ben.app.message('Hello Ben')).toBeVisible()
  await ann.app.expectTick('Hello Ben', 'Read')
  await expect(ben.app.conversation('Ann')).not.toContainText('unread')

  await ben.app.composer.pressSequentially('Hi')
  await expect(ann.page.getByText('is typing').first()).toBeVisible()
  await ben.app.composer.press('Enter')
  await expect(ann.app.message('Hi')).toBeVisible()
  await expect(ann.page.getByText('is typing')).toHaveCount(0)
  await ben.app.expectTick('Hi', 'Read')
  await expectAccessible(ann.page, 'a chat')

  await ben.page.context().close()
  await expect(ann.page.getByText(/last seen/i).first()).toBeVisible({ timeout: 30_000 })
})

test('a first device shows what its user wrote before there was one', async ({ person, api }) => {
  // Over REST, as bots do: no log has a row of it for its sender.
  const [annAccount, benAccount] = await Promise.all([api.register('Ann'), api.register('Ben')])
  const conversation = await api.conversation(annAccount, 'direct', [benAccount])
  const texts = ['one', 'two', 'three', 'four', 'five', 'six']
  for (const [i, text] of texts.entries()) await api.send(i % 3 === 0 ? benAccount : annAccount, conversation, text)
  const ann = await person('Ann', { account: annAccount })
  await ann.app.open('Ben')
  await expect(ann.app.message('six')).toBeVisible()
  await api.send(benAccount, conversation, 'seven')
  await expect(ann.app.message('seven')).toBeVisible()
  expect(await ann.app.texts()).toEqual([...texts, 'seven'])
})

test('replies, reactions, edits and deletions reach the other side', async ({ person, api }) => {
  const [ann, ben] = await Promise.all([person('Ann'), person('Ben')])
  await api.conversation(ann.account, 'direct', [ben.account])
  await Promise.all([ann.app.open('Ben'), ben.app.open('Ann')])
  await ann.app.send('What is a murre?')
  await expect(ben.app.message('What is a murre?')).toBeVisible()

  await ben.app.choose('What is a murre?', 'Reply')
  await ben.app.send('A seabird')
  await expect(ann.app.message('A seabird')).toContainText('What is a murre?')

  await ann.app.send('Thnaks')
  await ann.app.expectTick('Thnaks', 'Read')
  await ann.app.choose('Thnaks', 'Edit')
  await ann.app.composer.fill('Thanks')
  await ann.app.composer.press('Enter')
  await expect(ben.app.message('Thanks')).toContainText('edited')

  await ben.app.message('Thanks').getByText('Thanks', { exact: true }).click({ button: 'right' })
  await ben.page.getByRole('button', { name: /👍/ }).or(ben.page.getByRole('menuitem', { name: /👍/ })).first().click()
  await expect(ann.app.message('Thanks').getByText('👍')).toBeVisible()

  await ann.app.choose('Thanks', 'Delete')
  await ann.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(ben.app.log.getByText('Message deleted')).toBeVisible()
  await expect(ben.app.message('Thanks')).toHaveCount(0)
})

test('a group of five: everyone gets everything, the ticks follow the slowest', async ({ person, api, newPage }) => {
  test.slow()
  const names = ['Ann', 'Ben', 'Cem', 'Dia', 'Eve']
  const people = await Promise.all(names.slice(0, 4).map((name) => person(name)))
  const [ann, ben, cem, dia] = people as [typeof people[0], typeof people[0], typeof people[0], typeof people[0]]
  const eve = await api.register('Eve')
  await api.conversation(ann!.account, 'group', [ben!.account, cem!.account, dia!.account, eve], 'Cliff')
  await Promise.all(people.map((p) => p.app.open('Cliff')))
  await ann!.app.send('Who is here?')
  await Promise.all([ben, cem, dia].map((p) => expect(p!.app.message('Who is here?')).toBeVisible()))
  // Eve isn't: the lowest of all counts.
  await ann!.app.expectTick('Who is here?', 'Sent')
  await ben!.app.composer.pressSequentially('I')
  await cem!.app.composer.pressSequentially('I')
  await expect(ann!.page.getByText(/are typing/).first()).toBeVisible()
  await ben!.app.composer.press('Enter')
  await cem!.app.composer.press('Enter')
  const late = await person('Eve', { account: eve })
  await late.app.open('Cliff')
  await ann!.app.expectTick('Who is here?', 'Read')
  await expectAccessible(ann!.page, 'a group')
  expect(await newPage()).toBeDefined()
})

test('two tabs of one user share one connection and show the same', async ({ person, api, complaints }) => {
  const [ann, ben] = await Promise.all([person('Ann'), person('Ben')])
  await api.conversation(ann.account, 'direct', [ben.account])
  const second = await ann.page.context().newPage()
  await complaints.watch(second)
  await second.goto('/')
  const { Messenger } = await import('./messenger')
  const tab = new Messenger(second)
  await tab.signedIn()
  await Promise.all([ann.app.open('Ben'), tab.open('Ben'), ben.app.open('Ann')])
  await tab.send('from the second tab')
  await expect(ann.app.message('from the second tab')).toBeVisible()
  await ann.app.send('from the first tab')
  await expect(tab.message('from the first tab')).toBeVisible()
  await expect(ben.app.message('from the first tab')).toBeVisible()
  // The tab that owns the socket goes; the other one takes over.
  await ann.page.close()
  await ben.app.send('still there?')
  await expect(tab.message('still there?')).toBeVisible()
  await tab.send('still here')
  await tab.expectTick('still here', 'Read')
  expect(await ben.app.texts()).toEqual(['from the second tab', 'from the first tab', 'still there?', 'still here'])
})
