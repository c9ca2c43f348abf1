import { randomUUID } from 'node:crypto'
import { expect, expectAccessible, test } from './fixtures'
import { Messenger } from './messenger'

test('sign up, come back after a reload, sign out, sign in', async ({ newPage }) => {
  const page = await newPage()
  const app = new Messenger(page)
  const username = `rosa_${randomUUID().slice(0, 8)}`
  await page.goto('/')
  await expect(page.getByRole('heading', { name: 'Sign in to Murre' })).toBeVisible()
  await expectAccessible(page, 'the sign-in page')
  await app.signUp(username, 'Rosa', 'correct horse battery')
  await expectAccessible(page, 'the empty messenger')
  await page.reload()
  await app.signedIn()
  await app.signOut()
  await expect(page.getByRole('heading', { name: 'Sign in to Murre' })).toBeVisible()
  await app.signIn(username, 'correct horse battery')
})

test('what is wrong with a name or a password stands at its field', async ({ newPage, api, complaints }) => {
  // The browser itself writes the refused requests to the console.
  complaints.allow(/status of 4\d\d/)
  const taken = await api.register('taken')
  const page = await newPage()
  await page.goto('/')
  await page.getByLabel('User name').fill(taken.username)
  await page.getByLabel('Password').fill('not the password')
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(page.getByRole('alert')).toBeVisible()
  await page.getByRole('button', { name: 'Create an account' }).click()
  await page.getByLabel('Password').fill('short')
  await page.getByRole('button', { name: 'Create account', exact: true }).click()
  await expect(page.getByLabel('Password')).toHaveAccessibleDescription(/10 characters/)
  await page.getByLabel('Password').fill('correct horse battery')
  await page.getByRole('button', { name: 'Create account', exact: true }).click()
  await expect(page.getByLabel('User name')).toHaveAccessibleDescription(/taken/)
})

test('a session revoked from another device signs this one out', async ({ person, api, complaints }) => {
  complaints.allow(/status of 401/)
  complaints.allowNetworkTrouble()
  const rosa = await person('Rosa')
  // The other device: the account's token from its registration is a session of its own.
  const others = (await api.sessions(rosa.account)).filter((s) => !s.current)
  expect(others).toHaveLength(1)
  await api.call('DELETE', `/me/sessions/${others[0]!.id}`, rosa.account.token)
  await expect(rosa.page.getByText('You were signed out', { exact: false })).toBeVisible()
  await rosa.app.signIn(rosa.account.username, rosa.account.password)
})
