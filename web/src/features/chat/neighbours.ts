import type { MessageId, MessageView } from "../../sync/api";

/** How a message stands among its neighbours; worked out for the rows on the screen only, never for the whole history. */
export interface Place {
  /** The day, where a new one begins. */
  day: string | undefined;
  /** Whether the line "unread" stands above it. */
  unread: boolean;
  /** First and last of a run of one sender's messages that stand close together. */
  first: boolean;
  last: boolean;
}

const closeness = 5 * 60_000;

interface Moment {
  at: number;
  /** The calendar day in this device's time zone: what a reader calls one day. */
  day: string;
}

/** Asked for again with every frame that scrolls, for all rows on the screen. */
const moments = new WeakMap<MessageView, Moment>();

function momentOf(message: MessageView): Moment {
  let moment = moments.get(message);
  if (moment === undefined) {
    const at = new Date(message.createdAt);
    moment = { at: at.getTime(), day: at.toDateString() };
    moments.set(message, moment);
  }
  return moment;
}

function sameDay(a: MessageView, b: MessageView): boolean {
  return momentOf(a).day === momentOf(b).day;
}

export function together(a: MessageView, b: MessageView): boolean {
  return a.senderId === b.senderId && Math.abs(momentOf(b).at - momentOf(a).at) <= closeness && sameDay(a, b);
}

export function placeOf(items: readonly MessageView[], index: number, firstUnreadId: MessageId | undefined): Place {
  const message = items[index];
  if (message === undefined) return { day: undefined, unread: false, first: true, last: true };
  const before = items[index - 1];
  const after = items[index + 1];
  const newDay = before === undefined || !sameDay(before, message);
  const unread = firstUnreadId !== undefined && message.id === firstUnreadId;
  const afterUnread = firstUnreadId !== undefined && after?.id === firstUnreadId;
  return {
    day: newDay ? message.createdAt : undefined,
    unread,
    first: unread || before === undefined || !together(before, message),
    last: afterUnread || after === undefined || !together(message, after),
  };
}

const weekday = new Intl.DateTimeFormat("en", { weekday: "long" });
const sameYear = new Intl.DateTimeFormat("en", { weekday: "short", day: "numeric", month: "long" });
const otherYear = new Intl.DateTimeFormat("en", { day: "numeric", month: "long", year: "numeric" });

/** The words of a date separator. */
export function dayName(at: string, now: Date): string {
  const then = new Date(at);
  if (Number.isNaN(then.getTime())) return "";
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  const thenMidnight = new Date(then.getFullYear(), then.getMonth(), then.getDate());
  // Rounded: a day with a clock change has 23 or 25 hours.
  const days = Math.round((midnight.getTime() - thenMidnight.getTime()) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days > 1 && days < 7) return weekday.format(then);
  return then.getFullYear() === now.getFullYear() ? sameYear.format(then) : otherYear.format(then);
}
