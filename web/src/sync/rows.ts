import { firstFrom, type ConversationRecord, type MessageRecord } from '../db'
import type { MessageView } from './api'
import { previewOf, viewOfMessage, type ReplyPreview } from './message-view'

/**
 * The views of a window's records. Made once and kept: a history of 100,000 messages grows by a page, or changes in one
 * place, and nothing is done for the rest.
 */
export class Rows {
  private records: readonly MessageRecord[] = []
  private conversation: ConversationRecord | undefined
  private self = ''
  /** Own messages whose status may still move. */
  private unsettled = new Set<string>()
  /** Who answers a message, by its id. */
  private answers = new Map<string, Set<string>>()
  private readonly elsewhere: (id: string) => MessageRecord | null | undefined
  /** Parallel to the records; another array after each change. */
  views: readonly MessageView[] = []

  /** elsewhere finds messages that aren't in the window, for previews. */
  constructor(elsewhere: (id: string) => MessageRecord | null | undefined) {
    this.elsewhere = elsewhere
  }

  update(records: readonly MessageRecord[], conversation: ConversationRecord | undefined, self: string): void {
    const moved = !alike(conversation?.receipts, this.conversation?.receipts) || !alike(conversation?.participants, this.conversation?.participants)
    this.conversation = conversation
    if (self !== this.self) this.records = this.views = []
    this.self = self
    const changed = this.splice(records)
    if (moved) this.refresh([...this.unsettled])
    for (const id of changed) this.refreshAnswers(id)
  }

  /** A message that is answered here was found, or changed. */
  refreshAnswers(id: string): void {
    const answers = this.answers.get(id)
    if (answers) this.refresh([...answers])
  }

  record(id: string): MessageRecord | undefined {
    const at = firstFrom(this.records, id)
    return this.records[at]?.id === id ? this.records[at] : undefined
  }

  reply(id: string | undefined): ReplyPreview | undefined {
    if (id === undefined) return undefined
    const record = this.record(id) ?? this.elsewhere(id)
    return record ? previewOf(record) : undefined
  }

  /** Replaces what lies between the records that stayed at either end; returns the ids of those that changed. */
  private splice(records: readonly MessageRecord[]): string[] {
    const before = this.records
    if (records === before) return []
    let head = 0
    while (head < records.length && records[head] === before[head]) head++
    let tail = 0
    const most = Math.min(records.length, before.length) - head
    while (tail < most && records[records.length - 1 - tail] === before[before.length - 1 - tail]) tail++
    const middle = records.slice(head, records.length - tail)
    const gone = before.slice(head, before.length - tail)
    this.records = records
    for (const m of gone) this.unsettled.delete(m.id)
    const old = new Map(gone.map((m, i) => [m, this.views[head + i]!]))
    const made = middle.map((m) => {
      if (m.replyToId !== undefined) this.addAnswer(m.replyToId, m.id)
      const kept = old.get(m)
      const view = kept ?? this.view(m)
      if (view.mine && view.state !== 'read') this.unsettled.add(m.id)
      return view
    })
    this.views = this.views.slice(0, head).concat(made, this.views.slice(this.views.length - tail))
    return gone.length === 0 && this.answers.size === 0 ? [] : [...middle.map((m) => m.id), ...gone.map((m) => m.id)]
  }

  /** Makes views anew, and keeps the object where nothing that shows has changed. */
  private refresh(ids: readonly string[]): void {
    let views: MessageView[] | undefined
    for (const id of ids) {
      const at = firstFrom(this.records, id)
      const record = this.records[at]
      const before = this.views[at]
      if (record?.id !== id || !before) continue
      const view = this.view(record)
      if (view.mine && view.state === 'read') this.unsettled.delete(id)
      if (view.state === before.state && same(view.replyTo, before.replyTo)) continue
      views ??= this.views.slice()
      views[at] = view
    }
    if (views) this.views = views
  }

  private view(m: MessageRecord): MessageView {
    return viewOfMessage(m, this.conversation, this.self, this.reply(m.replyToId))
  }

  private addAnswer(target: string, id: string): void {
    const answers = this.answers.get(target)
    if (answers) answers.add(id)
    else this.answers.set(target, new Set([id]))
  }

  /** Answered messages that are neither here nor were looked for elsewhere. */
  unknownTargets(): string[] {
    return [...this.answers.keys()].filter((id) => !this.record(id) && this.elsewhere(id) === undefined)
  }
}

/** What was read from a database again is another object with the same in it. */
function alike(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}

function same(a: ReplyPreview | undefined, b: ReplyPreview | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.id === b.id && a.content === b.content && a.deleted === b.deleted)
}
