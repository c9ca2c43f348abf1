import { useEffect, type RefObject } from "react";

/** So many ms after the last turn the wheel counts as still. */
const still = 160;

/**
 * Marks an element with data-wheeling while a wheel turns over it. Something else lies under the mouse in every frame then: what
 * only follows the mouse would be made and thrown away each time.
 */
export function useWheeling(scroller: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let turned = 0;
    const rest = () => {
      const left = turned + still - performance.now();
      // One timer for the whole of it, and none a notch.
      timer = left > 0 ? setTimeout(rest, left) : undefined;
      if (timer === undefined) delete element.dataset["wheeling"];
    };
    const onWheel = (event: WheelEvent) => {
      if (event.deltaY === 0) return;
      turned = performance.now();
      if (timer !== undefined) return;
      element.dataset["wheeling"] = "";
      timer = setTimeout(rest, still);
    };
    element.addEventListener("wheel", onWheel, { passive: true });
    return () => {
      clearTimeout(timer);
      element.removeEventListener("wheel", onWheel);
    };
  }, [scroller]);
}
