import type { User, UsersApi } from './api'
import type { Core } from './core'
import { Cell } from './live'

/** Other people. */
export class Users implements UsersApi {
  private readonly core: Core
  readonly blocked = new Cell<readonly User[]>([])

  constructor(core: Core) {
    this.core = core
  }

  async search(query: string): Promise<User[]> {
    const found = await this.core.api.searchUsers(query)
    await this.keep(found)
    return found
  }

  async get(id: string): Promise<User> {
    const known = await this.core.state.storage.read((tx) => tx.users.get(id))
    if (known) return known
    const user = await this.core.api.user(id)
    await this.keep([user])
    return user
  }

  async refreshBlocked(): Promise<void> {
    this.blocked.set(await this.core.api.blocks())
  }

  async block(id: string): Promise<void> {
    await this.core.api.block(id)
    await this.refreshBlocked()
  }

  async unblock(id: string): Promise<void> {
    await this.core.api.unblock(id)
    await this.refreshBlocked()
  }

  private async keep(users: readonly User[]): Promise<void> {
    await this.core.state.write(async (tx) => {
      for (const user of users) await tx.users.put(user)
    })
  }
}
