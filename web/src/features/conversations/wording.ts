import type { ConversationView, MessageView, PresenceView } from "../../sync/api";

/** The line of a list that stands for a message. */
export function preview(
  message: Pick<MessageView, "content" | "contentType" | "deleted"> & { media?: { name: string } | undefined },
): string {
  if (message.deleted) return "Message deleted";
  const text = message.content.slice(0, 200).replace(/\s+/g, " ").trim();
  if (text !== "") return text;
  switch (message.contentType) {
    case "image":
      return "Photo";
    case "video":
      return "Video";
    case "file":
      return message.media?.name ?? "File";
    case "text":
      return "";
  }
}

/** Who wrote a message, as it is put before a preview; empty where there is no doubt. */
export function previewAuthor(conversation: ConversationView, message: MessageView): string {
  if (message.mine) return "You";
  if (conversation.type === "direct") return "";
  return conversation.participants.find((member) => member.userId === message.senderId)?.displayName ?? "";
}

export function typingLine(names: readonly string[], direct: boolean): string {
  const short = names.map((name) => isolate(name.length > 40 ? `${name.slice(0, 40)}…` : name));
  if (short.length === 0) return "";
  if (direct) return "typing…";
  if (short.length === 1) return `${short[0]} is typing`;
  if (short.length <= 3) return `${short.join(", ")} are typing`;
  return `${short.slice(0, 2).join(", ")} and ${short.length - 2} more are typing`;
}

/**
 * A name inside plain text, where no <bdi> can stand: between isolates, and without the controls that could end them early.
 */
export function isolate(name: string): string {
  return `\u2068${name.replace(/[\u202a-\u202e\u2066-\u2069]/g, "")}\u2069`;
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayAndMonth = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const fullDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const weekday = new Intl.DateTimeFormat("en", { weekday: "short" });
const minute = 60_000;
const day = 24 * 60 * minute;

export function timeOfDay(at: string): string {
  return clock.format(new Date(at));
}

/** Today the time, this week the weekday, else the date. */
export function listTime(at: string, now: Date): string {
  const then = new Date(at);
  if (Number.isNaN(then.getTime())) return "";
  if (then.toDateString() === now.toDateString()) return clock.format(then);
  const age = now.getTime() - then.getTime();
  if (age < 6 * day && age > 0) return weekday.format(then);
  return then.getFullYear() === now.getFullYear() ? dayAndMonth.format(then) : fullDate.format(then);
}

export function presenceLine(presence: PresenceView | undefined, now: Date): string {
  if (presence === undefined) return "";
  if (presence.status === "online") return "online";
  if (presence.lastSeen === undefined) return "offline";
  const then = new Date(presence.lastSeen);
  const age = now.getTime() - then.getTime();
  if (Number.isNaN(age)) return "offline";
  if (age < minute) return "last seen just now";
  if (age < 60 * minute) return `last seen ${relative.format(-Math.floor(age / minute), "minute")}`;
  if (then.toDateString() === now.toDateString()) return `last seen today at ${clock.format(then)}`;
  if (age < 6 * day) return `last seen ${weekday.format(then)} at ${clock.format(then)}`;
  return `last seen ${fullDate.format(then)}`;
}
