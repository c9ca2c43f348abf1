/// <reference lib="dom" />
import AxeBuilder from '@axe-core/playwright'
import { test as base, expect, type Browser, type BrowserContextOptions, type Page } from '@playwright/test'
import { Api, type Account } from './api'
import { Messenger } from './messenger'
import { Server } from './server'

/** What a browser writes to the console by itself when a request fails; nothing a page could keep quiet. */
const networkTrouble = /Failed to load resource|WebSocket connection to .* failed|net::ERR_|ERR_INTERNET_DISCONNECTED|TypeError: Failed to fetch$/

/** Whatever a page complains about. A test in which the network or the server goes away says so first. */
export class Complaints {
  readonly list: string[] = []
  readonly #allowed: RegExp[] = []

  /** From now on these are what the test brings about. */
  allow(...patterns: RegExp[]) {
    this.#allowed.push(...patterns)
  }

  allowNetworkTrouble() {
    this.allow(networkTrouble)
  }

  async watch(page: Page) {
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.#add(`console ${message.type()}: ${message.text()} (${message.location().url})`)
    })
    page.on('pageerror', (error) => { this.#add(`uncaught: ${error.stack ?? error.message}`) })
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => {
        console.error(`content security policy: ${event.violatedDirective} refused ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber}`)
      })
    })
  }

  #add(text: string) {
    this.list.push(text)
  }

  check() {
    expect(this.list.filter((text) => !this.#allowed.some((pattern) => pattern.test(text))), 'the console stays empty').toEqual([])
  }
}

/** A signed-in user in a browser of their own. */
export interface Person {
  account: Account
  app: Messenger
  page: Page
}

interface Fixtures {
  api: Api
  complaints: Complaints
  /** A page in a new browser profile; nobody is signed in. */
  newPage: (options?: BrowserContextOptions) => Promise<Page>
  /** Registers an account and signs it in, in a browser of its own. */
  person: (name: string, options?: BrowserContextOptions & { account?: Account }) => Promise<Person>
  /** A server of this test's own, which it may kill. Tests that use it are tagged @own-server. */
  ownServer: Server
}

interface WorkerFixtures {
  /** The address of the server that the tests of a worker share. */
  address: string
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  address: [
    async ({}, use) => {
      const given = process.env.MURRE_WEB_URL
      if (given !== undefined) {
        await use(given.replace(/\/$/, ''))
        return
      }
      const server = await Server.start('--demo')
      await use(server.url)
      await server.stop()
    },
    { scope: 'worker', timeout: 90_000 },
  ],

  api: async ({ address }, use) => {
    await use(new Api(address))
  },

  complaints: async ({}, use) => {
    const complaints = new Complaints()
    await use(complaints)
    complaints.check()
  },

  newPage: async ({ browser, address, complaints }, use) => {
    const opened: Page[] = []
    await use(async (options) => {
      const page = await profile(browser, address, complaints, options)
      opened.push(page)
      return page
    })
    for (const page of opened) await page.context().close()
  },

  person: async ({ newPage, api, address }, use) => {
    await use(async (name, { account, ...options } = {}) => {
      const who = account ?? (await api.register(name))
      const page = await newPage(options)
      const app = new Messenger(page)
      await page.goto(options.baseURL ?? address)
      await app.signIn(who.username, who.password)
      return { account: who, app, page }
    })
  },

  ownServer: async ({}, use) => {
    const server = await Server.start()
    await use(server)
    await server.stop()
  },
})

async function profile(browser: Browser, address: string, complaints: Complaints, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ baseURL: address, ...options })
  const page = await context.newPage()
  await complaints.watch(page)
  return page
}

/** No violation of the rules that axe knows, anywhere on the page. */
export async function expectAccessible(page: Page, what: string) {
  const { violations } = await new AxeBuilder({ page }).analyze()
  const said = violations.map((v) => `${v.id} (${v.impact ?? ''}): ${v.help}\n${v.nodes.map((n) => `  ${n.target.join(' ')}: ${n.html.slice(0, 200)}`).join('\n')}`)
  expect(said, `axe on ${what}`).toEqual([])
}

export { expect }
