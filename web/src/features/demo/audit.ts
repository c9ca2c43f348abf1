import type { MessageId, MessageView, UserId, WindowSnapshot } from "../../sync/api";

/** What never should happen, counted from what the two phones show, not from what their clients say of themselves. */
export interface Faults {
  lost: number;
  doubled: number;
  reordered: number;
}

/** Stored by the server and still not shown by the other phone after so long with a live connection: lost. */
export const patienceMs = 10_000;

/** Judges what two phones show of one conversation. Doubled and reordered are counted for good, lost as long as it is so. */
export class Audit {
  readonly #doubled = new Set<string>();
  readonly #reordered = new Set<string>();
  /** Whose side hasn't shown which message since when. */
  readonly #awaited = new Map<string, { side: string; id: MessageId; sinceMs: number }>();
  readonly #lost = new Set<string>();

  /** A message of one side was stored: the other side has to show it. */
  expect(side: string, id: MessageId, nowMs: number) {
    this.#awaited.set(`${side} ${id}`, { side, id, sinceMs: nowMs });
  }

  /** Looks at what a side shows. live: it is connected and has caught up, so that nothing excuses a gap. */
  look(side: string, shown: Pick<WindowSnapshot, "items" | "hasNewer">, live: boolean, nowMs: number) {
    const ids = new Set<MessageId>();
    const names = new Set<string>();
    let before: MessageId = "";
    for (const m of shown.items) {
      if (twice(m, ids, names)) this.#doubled.add(`${side} ${m.id ?? m.clientMessageId ?? m.key}`);
      if (m.id === undefined) continue;
      if (m.id < before) this.#reordered.add(`${side} ${m.id}`);
      before = m.id;
    }
    const first = shown.items.find((m) => m.id !== undefined)?.id;
    for (const [key, awaited] of this.#awaited) {
      if (awaited.side !== side) continue;
      if (ids.has(awaited.id)) {
        this.#awaited.delete(key);
        this.#lost.delete(key);
      } else if (!live || shown.hasNewer || (first !== undefined && awaited.id < first)) {
        awaited.sinceMs = nowMs; // not its time to be seen
      } else if (nowMs - awaited.sinceMs > patienceMs) {
        this.#lost.add(key);
      }
    }
  }

  faults(): Faults {
    return { lost: this.#lost.size, doubled: this.#doubled.size, reordered: this.#reordered.size };
  }
}

function twice(m: MessageView, ids: Set<MessageId>, names: Set<string>): boolean {
  const name = m.clientMessageId === undefined ? undefined : nameOf(m.senderId, m.clientMessageId);
  const seen = (m.id !== undefined && ids.has(m.id)) || (name !== undefined && names.has(name));
  if (m.id !== undefined) ids.add(m.id);
  if (name !== undefined) names.add(name);
  return seen;
}

function nameOf(sender: UserId, clientMessageId: string): string {
  return `${sender} ${clientMessageId}`;
}

/** The larger count of each: a fault is one whoever noticed it. */
export function worse(a: Faults, b: Faults): Faults {
  return { lost: Math.max(a.lost, b.lost), doubled: Math.max(a.doubled, b.doubled), reordered: Math.max(a.reordered, b.reordered) };
}
