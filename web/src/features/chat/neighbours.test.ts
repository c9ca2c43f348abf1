import { describe, expect, it } from "vitest";
import { message } from "../testing/scripted-client";
import { dayName, placeOf } from "./neighbours";

const at = (day: number, hour: number, minute = 0) => new Date(2026, 5, day, hour, minute).toISOString();

describe("the place of a message", () => {
  const items = [
    message(1, { mine: false, createdAt: at(1, 9, 0) }),
    message(2, { mine: false, createdAt: at(1, 9, 3) }),
    message(3, { mine: true, createdAt: at(1, 9, 4) }),
    message(4, { mine: true, createdAt: at(1, 9, 20) }),
    message(5, { mine: true, createdAt: at(2, 0, 1) }),
  ];
  const place = (index: number, unread?: string) => placeOf(items, index, unread);

  it("groups one sender's messages that stand close together", () => {
    expect(place(0)).toMatchObject({ first: true, last: false });
    expect(place(1)).toMatchObject({ first: false, last: true });
  });

  it("parts different senders, and long pauses", () => {
    expect(place(2)).toMatchObject({ first: true, last: true });
    expect(place(3)).toMatchObject({ first: true, last: true });
  });

  it("puts the day over its first message only", () => {
    expect(items.map((_, index) => place(index).day !== undefined)).toEqual([true, false, false, false, true]);
  });

  it("starts a new group at midnight, however close the messages are", () => {
    const late = [message(1, { mine: true, createdAt: at(1, 23, 59) }), message(2, { mine: true, createdAt: at(2, 0, 0) })];
    expect(placeOf(late, 0, undefined).last).toBe(true);
    expect(placeOf(late, 1, undefined)).toMatchObject({ first: true });
    expect(placeOf(late, 1, undefined).day).toBeDefined();
  });

  it("parts a group at the unread line", () => {
    const id = items[1]?.id;
    expect(place(0, id).last).toBe(true);
    expect(place(1, id)).toMatchObject({ unread: true, first: true });
    expect(place(2, id).unread).toBe(false);
  });
});

describe("the name of a day", () => {
  const now = new Date(2026, 5, 10, 15);
  it.each([
    [at(10, 0, 1), "Today"],
    [at(9, 23, 59), "Yesterday"],
    [at(7, 12), "Sunday"],
    [at(3, 12), "Wed, June 3"],
    [new Date(2025, 11, 31).toISOString(), "December 31, 2025"],
    ["rubbish", ""],
  ])("%s is %s", (day, name) => {
    expect(dayName(day, now)).toBe(name);
  });

  it("counts a day with a clock change as one", () => {
    // Whatever the time zone of this machine, one of these pairs may be 23 or 25 hours apart.
    for (let day = 1; day < 365; day++) {
      const noon = new Date(2026, 0, day + 1, 12);
      expect(dayName(new Date(2026, 0, day, 12).toISOString(), noon)).toBe("Yesterday");
    }
  });
});
