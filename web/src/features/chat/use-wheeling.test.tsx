// @vitest-environment jsdom
import { act, cleanup, render } from "@testing-library/react";
import { useRef } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { useWheeling } from "./use-wheeling";

function Scroller() {
  const scroller = useRef<HTMLDivElement>(null);
  useWheeling(scroller);
  return <div ref={scroller} data-testid="scroller" />;
}

describe("what a wheel turns over", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    cleanup();
    vi.useRealTimers();
  });

  const turn = (element: Element, deltaY: number) => {
    act(() => {
      element.dispatchEvent(new WheelEvent("wheel", { deltaY, bubbles: true }));
    });
  };

  it("is marked until the wheel has been still for a moment", () => {
    const { getByTestId } = render(<Scroller />);
    const element = getByTestId("scroller");
    turn(element, -100);
    expect(element.dataset["wheeling"]).toBe("");
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(100);
      turn(element, -100);
      expect(element.dataset["wheeling"]).toBe("");
    }
    vi.advanceTimersByTime(150);
    expect(element.dataset["wheeling"]).toBe("");
    vi.advanceTimersByTime(20);
    expect(element.dataset["wheeling"]).toBeUndefined();
  });

  it("isn't marked by a wheel that goes sideways only", () => {
    const { getByTestId } = render(<Scroller />);
    turn(getByTestId("scroller"), 0);
    expect(getByTestId("scroller").dataset["wheeling"]).toBeUndefined();
  });
});
