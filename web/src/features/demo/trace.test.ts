import { expect, test } from "vitest";
import type { ClientEvent } from "../../sync/api";
import { follow, type Side, type Trace } from "./trace";

const talk = "talk";
let clock = 0;

function told(trace: Trace, side: Side, event: Record<string, unknown>): Trace {
  clock += 10;
  return follow(trace, side, talk, { atMs: clock, serverAtMs: clock, conversationId: talk, ...event } as unknown as ClientEvent);
}

const queued = { kind: "message", step: "queued", clientMessageId: "c1" };
const stored = { kind: "message", step: "stored", clientMessageId: "c1", messageId: "m1" };
const pushed = { kind: "frame", direction: "in", type: "message", payload: { id: "m1", conversationId: talk, createdAt: new Date(0).toISOString() } };

function run(...events: [Side, Record<string, unknown>][]): Trace {
  return events.reduce<Trace>((t, [side, event]) => told(t, side, event), []);
}

test("a message lights up step by step, in the one order", () => {
  const trace = run(
    ["left", queued],
    ["left", stored],
    ["right", pushed],
    ["left", { kind: "message", step: "delivered", messageId: "m1" }],
    ["left", { kind: "message", step: "read", messageId: "m1" }],
  );
  expect(trace).toHaveLength(1);
  expect(trace[0]).toMatchObject({ key: "c1", from: "left", messageId: "m1", failed: false });
  const { queued: q, stored: s, published: p, delivered: d, read: r } = trace[0]!.at;
  expect([q, s, p, d, r]).toEqual([q, q! + 10, q! + 20, q! + 30, q! + 40]);
});

test("what the other phone saw before the sender heard is joined, and keeps its row", () => {
  const before = run(["left", queued], ["right", pushed]);
  expect(before).toHaveLength(2);
  const after = told(before, "left", stored);
  expect(after).toHaveLength(1);
  expect(after[0]).toMatchObject({ key: "c1", messageId: "m1" });
  expect(Object.keys(after[0]!.at).sort()).toEqual(["published", "queued", "stored"]);
});

test("a step's first time counts, whatever comes again", () => {
  const once = run(["left", queued], ["left", stored], ["right", pushed]);
  const again = told(told(once, "left", stored), "right", pushed);
  expect(again[0]!.at).toEqual(once[0]!.at);
});

test("read means all before it, of its sender only", () => {
  const trace = run(
    ["left", stored],
    ["left", { ...stored, clientMessageId: "c2", messageId: "m2" }],
    ["right", { ...stored, clientMessageId: "c0", messageId: "m0" }],
    ["left", { ...stored, clientMessageId: "c3", messageId: "m3" }],
    ["left", { kind: "message", step: "read", messageId: "m2" }],
  );
  expect(trace.map((d) => [d.messageId, d.at.read !== undefined])).toEqual([["m3", false], ["m0", false], ["m2", true], ["m1", true]]);
});

test("the log's old messages make no rows, the known ones are found in it", () => {
  const messages = [
    { id: "m0", conversationId: talk, createdAt: "1969-12-31T23:00:00.000Z" },
    { id: "m1", conversationId: talk, createdAt: "1969-12-31T23:00:00.000Z" },
    { id: "m2", conversationId: talk, createdAt: new Date(clock).toISOString() },
  ];
  const trace = run(["left", stored], ["right", { kind: "frame", direction: "in", type: "pending_messages", payload: { messages } }]);
  expect(trace.map((d) => [d.messageId, d.at.published !== undefined])).toEqual([["m2", true], ["m1", true]]);
  // What the sender's phone says of it later finds its row.
  expect(told(trace, "left", { ...stored, clientMessageId: "c2", messageId: "m2" })).toHaveLength(2);
});

test("the ack's frame is the moment of stored", () => {
  const ack = { kind: "frame", direction: "in", type: "message", payload: { id: "m1", conversationId: talk, clientMessageId: "c1", status: "sent" } };
  const acked = run(["left", queued], ["left", ack]);
  expect(acked).toHaveLength(1);
  expect(told(acked, "left", stored)[0]!.at.stored).toBe(acked[0]!.at.stored);
});

test("other conversations and frames of any shape change nothing", () => {
  const trace = run(["left", queued]);
  for (const payload of [{ id: "m9", conversationId: "else" }, null, "x", { id: 5, conversationId: talk }, { id: "m9", conversationId: talk, createdAt: "never" }]) {
    expect(told(trace, "left", { kind: "frame", direction: "in", type: "message", payload })).toEqual(trace);
  }
  expect(told(trace, "right", { kind: "frame", direction: "in", type: "pending_messages", payload: { messages: "none" } })).toEqual(trace);
  expect(told(trace, "left", { ...stored, conversationId: "else" })).toBe(trace);
  expect(told(trace, "left", { kind: "message", step: "delivered", messageId: "older" })).toBe(trace);
});

test("a failed message says so until it is sent after all", () => {
  const failed = run(["left", queued], ["left", { kind: "message", step: "failed", clientMessageId: "c1" }]);
  expect(failed[0]!.failed).toBe(true);
  expect(told(failed, "left", stored)[0]!.failed).toBe(false);
});

test("the trace is bounded", () => {
  let trace: Trace = [];
  for (let i = 0; i < 500; i++) trace = told(trace, "left", { ...queued, clientMessageId: `c${i}` });
  expect(trace).toHaveLength(200);
  expect(trace[0]!.key).toBe("c499");
});
