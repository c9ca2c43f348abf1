import type { ClientEvent, ClientMessageId, ConversationId, MessageId } from "../../sync/api";

/** What a message goes through, in this order; the trace lights them up one by one. */
export const steps = ["queued", "stored", "published", "delivered", "read"] as const;
export type Step = (typeof steps)[number];

export const meanings: Record<Step, string> = {
  queued: "In the sender's outbox: from here on it survives a reload.",
  stored: "The server has it on disk and has said so. One tick.",
  published: "Its frame reached the other phone.",
  delivered: "The other phone has stored it, and the sender knows. Two ticks.",
  read: "It was on screen, and the sender knows. Blue ticks.",
};

export type Side = "left" | "right";

/** One message on its way. */
export interface Delivery {
  /** The same as long as it is shown. */
  key: string;
  from: Side;
  clientMessageId?: ClientMessageId;
  messageId?: MessageId;
  /** When each step happened, in ms since 1970 of this page's one clock. */
  at: Partial<Record<Step, number>>;
  failed: boolean;
}

/** Newest first. */
export type Trace = readonly Delivery[];

/** As many as are kept. */
const kept = 200;

/** A message that comes so soon after it was made is on its way, though its sender's phone may not have said so yet. */
const recentMs = 10_000;

/**
 * The trace after an event of one side's client. The sender's client tells of queued, stored, delivered and read; that the
 * frame came is known on the other side only, possibly before the sender's client hears that it is stored.
 */
export function follow(trace: Trace, side: Side, conversation: ConversationId, event: ClientEvent): Trace {
  if (event.kind === "frame") {
    if (event.direction !== "in") return trace;
    const { acked, messages } = arrived(event.type, event.payload, conversation);
    // The ack's frame says it before the sender's client has put it into its cache.
    if (acked !== undefined) return mark(trace, side, acked, "stored", event.atMs);
    return messages.reduce((t, { messageId, createdMs }) => {
      // The log also has what is older than this page, which isn't on its way any more.
      const shown = event.serverAtMs - createdMs < recentMs || t.some((d) => isIt(d, other(side), { messageId }));
      return shown ? mark(t, other(side), { messageId }, "published", event.atMs) : t;
    }, trace);
  }
  if (event.kind !== "message" || event.conversationId !== conversation) return trace;
  switch (event.step) {
    case "queued":
    case "stored":
      return mark(trace, side, event, event.step, event.atMs);
    case "delivered":
      // Of what is older than this page nothing else is known.
      return trace.some((d) => isIt(d, side, event)) ? mark(trace, side, event, "delivered", event.atMs) : trace;
    case "read":
      return readUpTo(trace, side, event.messageId, event.atMs);
    case "failed":
      return trace.map((d) => (isIt(d, side, event) ? { ...d, failed: true } : d));
    case "written":
    case "received":
    case "acked":
      return trace;
  }
}

interface Names {
  clientMessageId?: ClientMessageId;
  messageId?: MessageId;
}

function isIt(d: Delivery, from: Side, names: Names): boolean {
  if (d.from !== from) return false;
  return (
    (names.messageId !== undefined && d.messageId === names.messageId) ||
    (names.clientMessageId !== undefined && d.clientMessageId === names.clientMessageId)
  );
}

function mark(trace: Trace, from: Side, names: Names, step: Step, atMs: number): Trace {
  const known = trace.filter((d) => isIt(d, from, names));
  // What the two sides told of one message becomes one delivery as soon as both its names meet. The sender's word is first.
  const first = known.find((d) => d.clientMessageId !== undefined) ?? known[0];
  if (first === undefined) {
    const key = names.clientMessageId ?? names.messageId;
    return key === undefined ? trace : [{ ...named(names), key, from, at: { [step]: atMs }, failed: false }, ...trace].slice(0, kept);
  }
  const at = known.reduce((all, d) => ({ ...d.at, ...all }), first.at);
  const now: Delivery = { ...first, ...named(names), at: { [step]: atMs, ...at }, failed: false };
  return trace.flatMap((d) => (d === first ? [now] : known.includes(d) ? [] : [d]));
}

function named({ clientMessageId, messageId }: Names): Names {
  return { ...(clientMessageId !== undefined && { clientMessageId }), ...(messageId !== undefined && { messageId }) };
}

/** read names one message and means all before it. */
function readUpTo(trace: Trace, from: Side, upTo: MessageId | undefined, atMs: number): Trace {
  if (upTo === undefined) return trace;
  return trace.map((d) => {
    if (d.from !== from || d.messageId === undefined || d.messageId > upTo || d.at.read !== undefined) return d;
    return { ...d, at: { delivered: atMs, ...d.at, read: atMs } };
  });
}

interface Arrived {
  /** What comes back to its own sender is the ack. */
  acked?: Names;
  messages: { messageId: MessageId; createdMs: number }[];
}

/** What a frame from the server says of the messages of a conversation. */
function arrived(type: string, payload: unknown, conversation: ConversationId): Arrived {
  const all: unknown[] =
    type === "message" ? [payload] : type === "pending_messages" && isObject(payload) && Array.isArray(payload["messages"]) ? payload["messages"] : [];
  const here = all.filter(isObject).filter((m) => m["conversationId"] === conversation && typeof m["id"] === "string");
  const ack = here.find((m) => m["status"] !== undefined && typeof m["clientMessageId"] === "string");
  if (ack !== undefined && type === "message") {
    return { acked: { messageId: String(ack["id"]), clientMessageId: String(ack["clientMessageId"]) }, messages: [] };
  }
  const messages = here
    .filter((m) => m["status"] === undefined)
    .map((m) => ({ messageId: String(m["id"]), createdMs: Date.parse(String(m["createdAt"])) }));
  return { messages };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function other(side: Side): Side {
  return side === "left" ? "right" : "left";
}
