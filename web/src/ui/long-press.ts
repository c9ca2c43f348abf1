import { useEffect, useRef, type PointerEvent } from "react";

const after = 450;
const slack = 10;

type Handlers = {
  onPointerDown: (event: PointerEvent) => void;
  onPointerMove: (event: PointerEvent) => void;
  onPointerUp: () => void;
  onPointerCancel: () => void;
};

/** A finger that stays: what the right button is to a mouse. Some browsers say so themselves by a contextmenu event, some don't. */
export function useLongPress(onPress: (at: { x: number; y: number }) => void): Handlers {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const start = useRef({ x: 0, y: 0 });
  const stop = () => {
    clearTimeout(timer.current);
  };
  useEffect(() => stop, []);
  return {
    onPointerDown(event) {
      stop();
      if (event.pointerType !== "touch" || !event.isPrimary) return;
      start.current = { x: event.clientX, y: event.clientY };
      timer.current = setTimeout(() => {
        onPress(start.current);
      }, after);
    },
    onPointerMove(event) {
      if (Math.hypot(event.clientX - start.current.x, event.clientY - start.current.y) > slack) stop();
    },
    onPointerUp: stop,
    onPointerCancel: stop,
  };
}
