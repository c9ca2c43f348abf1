/// <reference lib="dom" />
import { expect, type Locator, type Page } from '@playwright/test'

export type Tick = 'Waiting to be sent' | 'Sending' | 'Sent' | 'Delivered' | 'Read' | 'Not sent'

/** A window in which a hundred messages stand at once: what is virtualised away can't be read. */
export const tall = { viewport: { width: 1280, height: 9_000 } }

/** The messenger as a person uses it: by what is written on it. `scope` is a part of the page, such as one of two phones. */
export class Messenger {
  readonly page: Page
  readonly scope: Page | Locator

  constructor(page: Page, scope: Page | Locator = page) {
    this.page = page
    this.scope = scope
  }

  // Signing in.

  async signIn(username: string, password: string) {
    await this.scope.getByLabel('User name').fill(username)
    await this.scope.getByLabel('Password').fill(password)
    await this.scope.getByRole('button', { name: 'Sign in', exact: true }).click()
    await this.signedIn()
  }

  async signUp(username: string, displayName: string, password: string) {
    await this.scope.getByRole('button', { name: 'Create an account' }).click()
    await this.scope.getByLabel('User name').fill(username)
    await this.scope.getByLabel('Display name').fill(displayName)
    await this.scope.getByLabel('Password').fill(password)
    await this.scope.getByRole('button', { name: 'Create account', exact: true }).click()
    await this.signedIn()
  }

  async signedIn() {
    await expect(this.scope.getByRole('navigation', { name: 'Conversations' })).toBeVisible()
  }

  async signOut() {
    await this.scope.getByRole('button', { name: 'Profile and settings' }).click()
    await this.page.getByRole('dialog').getByRole('button', { name: 'Account' }).click()
    await this.page.getByRole('dialog').getByRole('button', { name: 'Sign out', exact: true }).click()
  }

  // Conversations.

  get search(): Locator {
    return this.scope.getByRole('combobox', { name: 'Search people and messages' })
  }

  conversation(title: string): Locator {
    return this.scope.getByRole('option').filter({ hasText: title })
  }

  async open(title: string) {
    await this.conversation(title).click()
    await expect(this.log).toBeVisible()
  }

  // One conversation.

  get log(): Locator {
    return this.scope.getByRole('log', { name: 'Messages' })
  }

  get rows(): Locator {
    return this.log.getByRole('listitem')
  }

  get composer(): Locator {
    return this.scope.getByRole('textbox', { name: 'Message', exact: true })
  }

  /** The message that has exactly this text. */
  message(text: string): Locator {
    return this.rows.filter({ has: this.page.getByText(text, { exact: true }) })
  }

  async send(text: string) {
    await this.composer.fill(text)
    await this.composer.press('Enter')
  }

  async expectTick(text: string, tick: Tick) {
    await expect(this.message(text).getByRole('img', { name: tick, exact: true })).toBeVisible()
  }

  /** Puts files into the composer, unsent. */
  async attach(...files: { name: string; mimeType: string; buffer: Buffer }[]) {
    const [chooser] = await Promise.all([
      this.page.waitForEvent('filechooser'),
      this.scope.getByRole('button', { name: 'Attach files' }).click(),
    ])
    await chooser.setFiles(files)
  }

  /** The texts of the messages in the page, top to bottom. Only what is near the screen is in the page: see `tall`. */
  async texts(): Promise<string[]> {
    return await this.rows.locator('p[dir="auto"]').allTextContents()
  }

  /** What can be done with a message, by its context menu. */
  async choose(text: string, action: string) {
    await this.message(text).getByText(text, { exact: true }).click({ button: 'right' })
    await this.page.getByRole('menuitem', { name: action }).click()
  }

  // The connection.

  /** A connection that says nothing any more is given up after a while, not at once. */
  async expectBanner(text: string | RegExp) {
    await expect(this.scope.getByRole('status').filter({ hasText: text })).toBeVisible({ timeout: 45_000 })
  }
}
