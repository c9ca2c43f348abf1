import type { MessageRecord } from '../db'
import type { LoggedEvent } from '../protocol'
import { withEvent } from './merge'

export type MessageEvent = Exclude<LoggedEvent, { type: 'conversation' }>

/** Events remembered at most: those that come while a request is under way. */
const most = 500

/**
 * Edits, deletions and reactions of messages that aren't here yet. An answer of the server that was asked for before may bring the
 * message as it was then.
 */
export class Early {
  private events: { at: number; event: MessageEvent }[] = []

  /** at: now, in ms of our clock. */
  note(event: MessageEvent, at: number): void {
    this.events.push({ at, event })
    if (this.events.length > most) this.events.shift()
  }

  /** A message out of an answer that was asked for at fetchedAt, with what has happened to it since. */
  apply(record: MessageRecord, fetchedAt: number): MessageRecord {
    let now = record
    for (const { at, event } of this.events) {
      if (at >= fetchedAt && event.payload.messageId === record.id) now = withEvent(now, event, at) ?? now
    }
    return now
  }
}
