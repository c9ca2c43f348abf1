import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type ReactNode,
} from "react";
import { createPortal } from "react-dom";
import css from "./overlay.module.css";

/**
 * Dialogs and menus live inside the element they belong to, not in the page's top layer: two messengers may stand side by
 * side on one page, and a dialog of one must leave the other usable. What lies under the topmost layer is inert.
 */
type Overlay = {
  host: HTMLElement | null;
  frame: HTMLElement | null;
  stack: readonly string[];
  push: (id: string) => void;
  pop: (id: string) => void;
};

const OverlayContext = createContext<Overlay | null>(null);

export function OverlayHost({ children, className }: { children: ReactNode; className?: string | undefined }) {
  const [host, setHost] = useState<HTMLElement | null>(null);
  const [frame, setFrame] = useState<HTMLElement | null>(null);
  const [stack, setStack] = useState<readonly string[]>([]);
  const push = useCallback((id: string) => {
    setStack((now) => [...now, id]);
  }, []);
  const pop = useCallback((id: string) => {
    setStack((now) => now.filter((other) => other !== id));
  }, []);
  const overlay = useMemo(() => ({ host, frame, stack, push, pop }), [host, frame, stack, push, pop]);
  return (
    <OverlayContext value={overlay}>
      <div className={[css["frame"], className].filter(Boolean).join(" ")} ref={setFrame}>
        <div className={css["under"]} inert={stack.length > 0}>
          {children}
        </div>
        <div ref={setHost} />
      </div>
    </OverlayContext>
  );
}

export function useOverlay(): Overlay {
  const overlay = useContext(OverlayContext);
  if (overlay === null) throw new Error("an overlay needs an OverlayHost above it");
  return overlay;
}

const focusable = "button:not(:disabled), [href], input:not(:disabled), textarea:not(:disabled), select:not(:disabled), [tabindex='0']";

/** One layer above the rest: takes the focus, gives it back to where it was, and closes with Escape. */
export function Layer({ children, onClose, scrim = true }: { children: ReactNode; onClose: () => void; scrim?: boolean }) {
  const { host, stack, push, pop } = useOverlay();
  const id = useId();
  const layer = useRef<HTMLDivElement>(null);
  const top = stack[stack.length - 1] === id;

  useLayoutEffect(() => {
    const before = document.activeElement;
    push(id);
    return () => {
      pop(id);
      // The rest of the page is inert until the stack has changed; only then does it take the focus.
      requestAnimationFrame(() => {
        if (
          before instanceof HTMLElement &&
          before.isConnected &&
          (document.activeElement === null || document.activeElement === document.body)
        )
          before.focus();
      });
    };
  }, [id, push, pop]);

  useEffect(() => {
    const element = layer.current;
    if (element === null || element.contains(document.activeElement)) return;
    const first = element.querySelector<HTMLElement>("[data-autofocus]") ?? element.querySelector<HTMLElement>(focusable);
    first?.focus();
  }, [host]);

  // What had the focus may have gone, and with it the way by which Escape comes here.
  const close = useRef(onClose);
  useEffect(() => {
    close.current = onClose;
  });
  useEffect(() => {
    if (!top) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && (document.activeElement === null || document.activeElement === document.body)) close.current();
    };
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("keydown", onKey);
    };
  }, [top]);

  if (host === null) return null;
  return createPortal(
    // Escape comes from whatever has the focus inside; a press beside the content is a pointer's way of saying the same.
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div
      ref={layer}
      className={[css["layer"], scrim ? css["scrim"] : undefined].filter(Boolean).join(" ")}
      inert={!top && stack.includes(id)}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || event.nativeEvent.isComposing) return;
        event.stopPropagation();
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
    >
      {children}
    </div>,
    host,
  );
}
