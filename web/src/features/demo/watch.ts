import type { ConversationId, MessageId, MessageWindow, Unsubscribe } from "../../sync/api";
import { Audit, worse, type Faults } from "./audit";
import type { Phones } from "./phones";
import { follow, type Side, type Trace } from "./trace";

export interface Watched {
  trace: Trace;
  faults: Faults;
  /** Messages that the server has stored since the page was opened. */
  stored: number;
}

const sides = ["left", "right"] as const;

/** How often what the phones show is looked at when nothing changes: what is lost shows by nothing happening. */
const everyMs = 1_000;

/** Follows both phones and tells a listener what is to be shown. */
export function watch({ left, right, conversation }: Phones, listener: (watched: Watched) => void): Unsubscribe {
  const clients = { left: left.client, right: right.client };
  const windows: Record<Side, MessageWindow> = { left: open("left"), right: open("right") };
  const audit = new Audit();
  let trace: Trace = [];
  // By id: one that was sent again after a broken connection is acked twice.
  const stored = new Set<MessageId>();
  let frame = 0;

  function open(side: Side): MessageWindow {
    return clients[side].messages.open(conversation, { pageSize: 100 });
  }

  function look() {
    const now = Date.now();
    for (const side of sides) {
      const shown = windows[side].get();
      if (shown.loaded) audit.look(side, shown, clients[side].connection.get().state === "live", now);
    }
  }

  function tell() {
    const own = sides.map((side) => clients[side].stats.get());
    listener({ trace, stored: stored.size, faults: own.reduce<Faults>((all, stats) => worse(all, stats), audit.faults()) });
  }

  // A burst is many events a frame; people see one.
  function soon() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      look();
      tell();
    });
  }

  const ends = sides.flatMap((side) => [
    clients[side].onEvent((event) => {
      trace = follow(trace, side, conversation, event);
      if (event.kind === "message" && event.step === "stored" && isHere(event, conversation) && event.messageId !== undefined) {
        stored.add(event.messageId);
        audit.expect(side === "left" ? "right" : "left", event.messageId, event.atMs);
      }
      soon();
    }),
    windows[side].subscribe(soon),
    clients[side].stats.subscribe(soon),
  ]);
  const timer = setInterval(soon, everyMs);
  tell();

  return () => {
    clearInterval(timer);
    cancelAnimationFrame(frame);
    for (const end of ends) end();
    for (const side of sides) windows[side].close();
  };
}

function isHere(event: { conversationId: ConversationId }, conversation: ConversationId): boolean {
  return event.conversationId === conversation;
}
