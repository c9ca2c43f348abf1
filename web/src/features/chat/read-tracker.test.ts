import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ReadTracker } from "./read-tracker";

describe("read receipts", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const tracked = (visible = true) => {
    const reported: string[] = [];
    return { reported, tracker: new ReadTracker((upTo) => reported.push(upTo), visible) };
  };

  it("reports the newest once it stood still for half a second", () => {
    const { tracker, reported } = tracked();
    tracker.show("001", true);
    vi.advanceTimersByTime(300);
    tracker.show("003", true);
    tracker.show("002", true);
    vi.advanceTimersByTime(499);
    expect(reported).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(reported).toEqual(["003"]);
  });

  it("doesn't report what was only scrolled past", () => {
    const { tracker, reported } = tracked();
    tracker.show("001", true);
    vi.advanceTimersByTime(400);
    tracker.show("001", false);
    vi.advanceTimersByTime(5_000);
    expect(reported).toEqual([]);
  });

  it("waits while the page is hidden, and says so when it is seen again", () => {
    const { tracker, reported } = tracked(false);
    tracker.show("001", true);
    vi.advanceTimersByTime(10_000);
    expect(reported).toEqual([]);
    tracker.setPageVisible(true);
    vi.advanceTimersByTime(500);
    expect(reported).toEqual(["001"]);
  });

  it("forgets the half second when the page is hidden in its middle", () => {
    const { tracker, reported } = tracked();
    tracker.show("001", true);
    vi.advanceTimersByTime(400);
    tracker.setPageVisible(false);
    vi.advanceTimersByTime(5_000);
    expect(reported).toEqual([]);
  });

  it("never goes back, and never says the same twice", () => {
    const { tracker, reported } = tracked();
    tracker.show("005", true);
    vi.advanceTimersByTime(500);
    tracker.show("005", false);
    tracker.show("002", true);
    vi.advanceTimersByTime(500);
    tracker.show("005", true);
    vi.advanceTimersByTime(500);
    expect(reported).toEqual(["005"]);
  });

  it("says nothing after it was stopped", () => {
    const { tracker, reported } = tracked();
    tracker.show("001", true);
    tracker.stop();
    vi.advanceTimersByTime(1_000);
    expect(reported).toEqual([]);
  });
});
