import { expect, test } from "vitest";
import type { MessageView } from "../../sync/api";
import { Audit, patienceMs, worse } from "./audit";

function shows(...messages: (string | Partial<MessageView>)[]) {
  const items = messages.map((m) => ({ senderId: "a", ...(typeof m === "string" ? { id: m, clientMessageId: `c${m}` } : m) })) as MessageView[];
  return { items, hasNewer: false };
}

test("a clean conversation has no faults", () => {
  const audit = new Audit();
  audit.expect("right", "m2", 0);
  audit.look("right", shows("m1", "m2", { clientMessageId: "waits" }), true, 1);
  audit.look("right", shows("m1", "m2", "m3"), true, patienceMs * 2);
  expect(audit.faults()).toEqual({ lost: 0, doubled: 0, reordered: 0 });
});

test("the same id twice, or one sender's clientMessageId twice, is doubled, and counted once for good", () => {
  const audit = new Audit();
  const wrong = shows("m1", { id: "m2", clientMessageId: "x" }, { id: "m3", clientMessageId: "x" }, "m1");
  audit.look("left", wrong, true, 0);
  audit.look("left", wrong, true, 1);
  audit.look("left", shows("m1"), true, 2);
  expect(audit.faults()).toMatchObject({ doubled: 2 });
  const other = new Audit();
  other.look("left", shows({ id: "m1", senderId: "a", clientMessageId: "x" }, { id: "m2", senderId: "b", clientMessageId: "x" }), true, 0);
  expect(other.faults().doubled).toBe(0);
});

test("an id below the one before it is reordered", () => {
  const audit = new Audit();
  audit.look("left", shows("m1", "m3", "m2"), true, 0);
  expect(audit.faults()).toMatchObject({ reordered: 1, doubled: 0 });
});

test("lost is what a live phone doesn't show in time, until it does", () => {
  const audit = new Audit();
  audit.expect("right", "m2", 0);
  audit.look("right", shows("m1", "m3"), true, patienceMs);
  expect(audit.faults().lost).toBe(0);
  audit.look("right", shows("m1", "m3"), true, patienceMs + 1);
  expect(audit.faults().lost).toBe(1);
  audit.look("right", shows("m1", "m2", "m3"), true, patienceMs + 2);
  expect(audit.faults().lost).toBe(0);
});

test("being offline, or scrolled away, excuses a gap as long as it lasts", () => {
  const audit = new Audit();
  audit.expect("right", "m5", 0);
  audit.look("right", shows("m1"), false, patienceMs * 3);
  audit.look("right", { ...shows("m1"), hasNewer: true }, true, patienceMs * 6);
  audit.look("right", shows("m6"), true, patienceMs * 9);
  expect(audit.faults().lost).toBe(0);
  audit.look("right", shows("m1"), true, patienceMs * 10 + 1);
  expect(audit.faults().lost).toBe(1);
});

test("whoever noticed a fault is believed", () => {
  expect(worse({ lost: 1, doubled: 0, reordered: 2 }, { lost: 0, doubled: 3, reordered: 1 })).toEqual({ lost: 1, doubled: 3, reordered: 2 });
});
