import { describe, expect, it } from "vitest";
import { around, between, mostRows, newer, older, place, type Stretch } from "./stretch";

const keyed = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => ({ key: String(from + i).padStart(6, "0") }));
const end: Stretch = { first: null, last: null };

describe("the stretch that is laid out", () => {
  it("is all of a short history", () => {
    expect(place(keyed(0, 50), end)).toEqual({ start: 0, end: 50 });
    expect(place([], end)).toEqual({ start: 0, end: 0 });
  });

  it("is the newest part of a long one, and follows its end", () => {
    const items = keyed(0, 5_000);
    expect(place(items, end)).toEqual({ start: 5_000 - mostRows, end: 5_000 });
    expect(place(keyed(0, 5_001), end).end).toBe(5_001);
  });

  it("moves towards the beginning and back, never too long, never past an end", () => {
    const items = keyed(0, 5_000);
    let now = end;
    for (let i = 0; i < 100; i++) {
      const before = place(items, now);
      now = older(items, now);
      const after = place(items, now);
      expect(after.end - after.start).toBeLessThanOrEqual(mostRows);
      expect(after.start).toBeLessThanOrEqual(before.start);
      // What was at the top stays in it, or the reader would lose their place.
      expect(after.end).toBeGreaterThan(before.start);
    }
    expect(place(items, now).start).toBe(0);
    for (let i = 0; i < 100; i++) now = newer(items, now);
    expect(place(items, now)).toEqual({ start: 5_000 - mostRows, end: 5_000 });
    expect(now.last).toBeNull();
  });

  it("stays with its messages when a page comes before them or after them", () => {
    const now = between(keyed(1_000, 3_000), 500, 900);
    expect(place(keyed(900, 3_100), now)).toEqual({ start: 600, end: 1_000 });
  });

  it("survives that its messages are gone", () => {
    const now = between(keyed(0, 2_000), 100, 400);
    const other = keyed(50_000, 50_100);
    expect(place(other, now)).toEqual({ start: 0, end: 100 });
  });

  it("surrounds a message that is asked for", () => {
    const items = keyed(0, 5_000);
    const { start, end: stop } = place(items, around(items, 2_500));
    expect(start).toBeLessThan(2_500);
    expect(stop).toBeGreaterThan(2_500);
    expect(place(items, around(items, 0)).start).toBe(0);
    expect(around(items, 4_999).last).toBeNull();
  });
});
