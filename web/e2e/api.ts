import { randomUUID } from 'node:crypto'

export interface Account {
  id: string
  username: string
  displayName: string
  password: string
  token: string
}

export interface StoredMessage {
  id: string
  content: string
  senderId: string
  clientMessageId?: string
}

/** What a person has done elsewhere before a test begins: over REST, as a back end would. */
export class Api {
  readonly url: string
  constructor(url: string) {
    this.url = url
  }

  async call<T>(method: string, path: string, token?: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  async register(name: string, displayName = name[0]!.toUpperCase() + name.slice(1)): Promise<Account> {
    const username = `${name.toLowerCase().replaceAll(/[^a-z0-9_.]/g, '')}_${randomUUID().slice(0, 8)}`
    const password = 'correct horse battery'
    const { user, token } = await this.call<{ user: { id: string }; token: string }>('POST', '/auth/register', undefined, { username, password, displayName })
    return { id: user.id, username, displayName, password, token }
  }

  async conversation(by: Account, type: 'direct' | 'group' | 'channel', others: Account[], name?: string): Promise<string> {
    const participantIds = others.map((o) => o.id)
    const { id } = await this.call<{ id: string }>('POST', '/conversations', by.token, { type, participantIds, ...(name !== undefined && { name }) })
    return id
  }

  async send(by: Account, conversation: string, content: string): Promise<StoredMessage> {
    return await this.call('POST', `/conversations/${conversation}/messages`, by.token, { content, contentType: 'text', clientMessageId: randomUUID() })
  }

  /** Everything in a conversation, oldest first. */
  async history(by: Account, conversation: string): Promise<StoredMessage[]> {
    let all: StoredMessage[] = []
    for (;;) {
      const before = all[0] === undefined ? '' : `&before=${all[0].id}`
      const page = await this.call<{ messages: StoredMessage[]; hasMore: boolean }>('GET', `/conversations/${conversation}/messages?limit=100${before}`, by.token)
      all = [...page.messages, ...all]
      if (!page.hasMore) return all
    }
  }

  async sessions(by: Account): Promise<{ id: string; current: boolean }[]> {
    return (await this.call<{ sessions: { id: string; current: boolean }[] }>('GET', '/me/sessions', by.token)).sessions
  }
}
