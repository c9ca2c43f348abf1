import type { MessageRecord } from '../db'
import { nothingApplied, type Applied } from './apply'
import type { Conversations } from './conversations'
import { count, me, type Core } from './core'
import type { History } from './history'
import type { Messages } from './messages'

/** Conversations whose receipts are asked for after a connect, beside those on show: each is a request. */
const mostReceipts = 20

/**
 * After each connect: the log has brought all events of messages, but not how the conversations stand, nor the receipts
 * that were pushed meanwhile; and the cache is compared with the list, so that a hole would be found and filled.
 */
export class Repair {
  private readonly core: Core
  private readonly conversations: Conversations
  private readonly history: History
  private readonly messages: Messages
  private readonly applied: (applied: Applied) => void
  private running = false
  private again = false

  constructor(core: Core, parts: { conversations: Conversations; history: History; messages: Messages; applied(applied: Applied): void }) {
    this.core = core
    this.conversations = parts.conversations
    this.history = parts.history
    this.messages = parts.messages
    this.applied = parts.applied
  }

  async run(syncedBefore: string | null, first: boolean): Promise<void> {
    if (this.running) {
      this.again = true
      return
    }
    this.running = true
    try {
      await this.conversations.refresh()
      // The list may have shown that the server never heard of what was read here.
      this.conversations.sendReadsSoon()
      this.messages.refill()
      for (const id of [...this.core.state.conversations.keys()]) await this.fill(id, syncedBefore, first)
      await this.receipts()
    } catch {
      // The network went again: the next connect does it anew.
    } finally {
      this.running = false
      if (this.again) {
        this.again = false
        void this.run(this.core.syncedUpTo, false)
      }
    }
  }

  private async fill(conversationId: string, syncedBefore: string | null, first: boolean): Promise<void> {
    const c = this.core.state.conversations.get(conversationId)
    if (!c || c.left || c.ranges.length === 0) return
    const found = await this.history.repairTail(conversationId)
    if (found.length === 0) return
    const self = me(this.core)
    const fresh = await this.core.state.write(async (tx) => {
      const out: MessageRecord[] = []
      for (const m of found) {
        const now = await tx.messages.get(m.conversationId, m.id)
        if (!now || now.heard) continue
        const heard = { ...now, heard: true }
        await tx.messages.put([heard])
        if (m.senderId !== self) out.push(heard)
      }
      return out
    })
    if (!first && syncedBefore !== null) {
      count(this.core, { lost: fresh.filter((m) => m.id > this.core.logFrom && m.createdAt < syncedBefore).length })
    }
    this.applied({ ...nothingApplied(), incoming: fresh })
  }

  private async receipts(): Promise<void> {
    const self = me(this.core)
    const wanted = this.messages.opened()
    for (const c of this.core.state.conversations.values()) {
      if (wanted.size >= mostReceipts) break
      if (c.last?.senderId === self && c.last.status !== 'read') wanted.add(c.id)
    }
    for (const id of wanted) await this.messages.refreshReceipts(id)
  }
}
