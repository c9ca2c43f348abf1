import type { Rest as Wire } from '../protocol'
import type { ClientError } from '../transport'
import type { Device, SessionApi, User } from './api'
import type { Core } from './core'
import type { MediaFiles } from './media'

export interface SessionParts {
  core: Core
  media: MediaFiles
  cookies: boolean
  /** A device id that the options name. */
  device: string | undefined
  token: string | undefined
  /** Somebody signed in or out: everything is read again. */
  changed(): Promise<void>
}

/** Who is signed in. The storage knows, so that all tabs do, and so that a start needs no network. */
export class Sessions implements SessionApi {
  private readonly p: SessionParts
  private currentToken: string | undefined

  constructor(parts: SessionParts) {
    this.p = parts
  }

  get = () => this.p.core.session.get()
  subscribe = (listener: () => void) => this.p.core.session.subscribe(listener)

  get token(): string | undefined {
    return this.p.cookies ? undefined : this.currentToken
  }

  /** Reads who is signed in; at the start, and when a tab changed it. */
  async load(): Promise<void> {
    const { state, session } = this.p.core
    const known = await state.storage.read(async (tx) => ({
      user: await tx.meta('user'), token: await tx.meta('token'), deviceId: await tx.meta('deviceId'), expired: await tx.meta('expired'),
    }))
    this.currentToken = known.token
    const expired = known.expired === true
    session.set(known.user
      ? { state: expired ? 'expired' : 'signed-in', user: known.user, deviceId: known.deviceId ?? null }
      : { state: 'signed-out', user: null, deviceId: null })
  }

  /** Uses the token of the options, for which the server must say whose it is. */
  async adopt(): Promise<void> {
    const { token } = this.p
    if (token === undefined || (this.currentToken === token && this.get().state === 'signed-in')) return
    this.currentToken = token
    const user = await this.p.core.api.me()
    await this.enter({ user, token })
  }

  register(username: string, password: string, displayName?: string): Promise<User> {
    return this.signIn(() => this.p.core.api.register({ username, password, ...(displayName === undefined ? {} : { displayName }) }))
  }

  login(username: string, password: string): Promise<User> {
    return this.signIn(() => this.p.core.api.login({ username, password }))
  }

  async logout(options: { everywhere?: boolean } = {}): Promise<void> {
    try {
      if (options.everywhere) await this.p.core.api.revokeSessions(false)
      else await this.p.core.api.logout()
    } catch (error) {
      // Without a network, or a session, there is still what lies on this device. All sessions can't be ended that way.
      if (options.everywhere && (error as ClientError).code !== 'UNAUTHENTICATED') throw error
    }
    await this.wipe()
  }

  /** The server ended the session: the cache stays until somebody signs in. */
  async expire(): Promise<void> {
    if (this.get().state !== 'signed-in') return
    await this.p.core.state.write(async (tx, change) => {
      await tx.setMeta('expired', true)
      change.session = true
    })
    await this.p.changed()
  }

  async me(): Promise<User> {
    return this.remember(await this.p.core.api.me())
  }

  async updateMe(change: { displayName?: string; avatar?: Blob | null }): Promise<User> {
    const body: Wire.ProfileInput = {}
    if (change.displayName !== undefined) body.displayName = change.displayName
    if (change.avatar !== undefined) body.avatarId = change.avatar ? await this.p.media.uploadAvatar(change.avatar) : ''
    return this.remember(await this.p.core.api.updateMe(body))
  }

  changePassword(current: string, next: string): Promise<void> {
    return this.p.core.api.changePassword({ currentPassword: current, newPassword: next })
  }

  sessions = () => this.p.core.api.sessions()

  async revokeSession(id: string): Promise<void> {
    await this.p.core.api.revokeSession(id)
  }

  revokeOtherSessions = () => this.p.core.api.revokeSessions(true)

  async devices(): Promise<Device[]> {
    const own = this.get().deviceId
    return (await this.p.core.api.devices()).map((d) => ({ ...d, current: d.id === own }))
  }

  deleteDevice = (id: string) => this.p.core.api.deleteDevice(id)

  private async signIn(call: () => Promise<Wire.Account>): Promise<User> {
    const { session } = this.p.core
    const before = session.get()
    session.set({ ...before, state: 'signing-in' })
    try {
      const account = await call()
      await this.enter(account)
      return account.user
    } catch (error) {
      session.set(before)
      throw error
    }
  }

  private async enter(account: Wire.Account): Promise<void> {
    const { core } = this.p
    const before = await core.state.storage.read((tx) => tx.meta('user'))
    if (before && before.id !== account.user.id) await core.state.storage.wipe()
    await core.state.write(async (tx, change) => {
      await tx.setMeta('user', account.user)
      await tx.setMeta('expired', undefined)
      if (!this.p.cookies) await tx.setMeta('token', account.token)
      if (!(await tx.meta('deviceId'))) await tx.setMeta('deviceId', this.p.device ?? core.makeId())
      change.session = true
    })
    await this.p.changed()
  }

  private async wipe(): Promise<void> {
    await this.p.core.state.storage.wipe()
    await this.p.core.state.write((_tx, change) => {
      change.session = true
      return Promise.resolve()
    })
    await this.p.changed()
  }

  private async remember(user: User): Promise<User> {
    await this.p.core.state.write(async (tx, change) => {
      await tx.setMeta('user', user)
      change.session = true
    })
    await this.p.changed()
    return user
  }
}
