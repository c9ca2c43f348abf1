/** What a write changed, so that views, and other tabs, read just that again. */
export class ChangeSet {
  conversations = new Set<string>()
  /** Ids by conversation; 'all': a stretch of the history. */
  messages = new Map<string, Set<string> | 'all'>()
  outbox = false
  session = false
  users = false

  conversation(id: string): void {
    this.conversations.add(id)
  }

  message(conversationId: string, id: string): void {
    const ids = this.messages.get(conversationId)
    if (ids === 'all') return
    if (ids) ids.add(id)
    else this.messages.set(conversationId, new Set([id]))
  }

  history(conversationId: string): void {
    this.messages.set(conversationId, 'all')
  }

  add(other: ChangeSet): void {
    for (const id of other.conversations) this.conversations.add(id)
    for (const [conversationId, ids] of other.messages) {
      if (ids === 'all') this.history(conversationId)
      else for (const id of ids) this.message(conversationId, id)
    }
    this.outbox ||= other.outbox
    this.session ||= other.session
    this.users ||= other.users
  }

  get empty(): boolean {
    return !this.outbox && !this.session && !this.users && this.conversations.size === 0 && this.messages.size === 0
  }

  /** As it goes to other tabs. */
  toPlain(): PlainChange {
    return {
      conversations: [...this.conversations],
      messages: [...this.messages].map(([id, ids]) => [id, ids === 'all' ? 'all' : [...ids]]),
      outbox: this.outbox, session: this.session, users: this.users,
    }
  }

  static fromPlain(plain: PlainChange): ChangeSet {
    const change = new ChangeSet()
    for (const id of plain.conversations) change.conversation(id)
    for (const [conversationId, ids] of plain.messages) {
      if (ids === 'all') change.history(conversationId)
      else for (const id of ids) change.message(conversationId, id)
    }
    change.outbox = plain.outbox
    change.session = plain.session
    change.users = plain.users
    return change
  }
}

export interface PlainChange {
  conversations: string[]
  messages: [string, 'all' | string[]][]
  outbox: boolean
  session: boolean
  users: boolean
}
