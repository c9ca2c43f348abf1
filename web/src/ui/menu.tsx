import { useLayoutEffect, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { Icon, type IconName } from "./icon";
import { Layer, useOverlay } from "./overlay";
import css from "./menu.module.css";

export type MenuItem = { label: string; icon: IconName; onSelect: () => void; danger?: boolean };

type MenuProps = { label: string; items: readonly MenuItem[]; at: { x: number; y: number }; onClose: () => void; head?: ReactNode };

const margin = 8;

/** A menu at a point of the screen, kept inside its frame; arrows, Home, End and the first letter move in it. */
export function Menu({ label, items, at, onClose, head }: MenuProps) {
  const { frame } = useOverlay();
  const box = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState<{ left: number; top: number }>();

  useLayoutEffect(() => {
    const menu = box.current?.getBoundingClientRect();
    const around = frame?.getBoundingClientRect();
    if (menu === undefined || around === undefined) return;
    const clamp = (value: number, size: number, room: number) => Math.max(margin, Math.min(value, room - size - margin));
    setPlace({ left: clamp(at.x - around.left, menu.width, around.width), top: clamp(at.y - around.top, menu.height, around.height) });
  }, [at, frame]);

  function onKeyDown(event: KeyboardEvent) {
    const all = [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const now = all.indexOf(document.activeElement as HTMLElement);
    let next: number | undefined;
    if (event.key === "ArrowDown") next = (now + 1) % all.length;
    else if (event.key === "ArrowUp") next = (now - 1 + all.length) % all.length;
    else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = all.length - 1;
    else if (event.key === "Tab") onClose();
    else if (event.key.length === 1 && /\p{L}/u.test(event.key)) {
      const found = all.findIndex((item) => item.textContent.trim().toLowerCase().startsWith(event.key.toLowerCase()));
      if (found >= 0) next = found;
    }
    if (next === undefined) return;
    event.preventDefault();
    all[next]?.focus();
  }

  return (
    <Layer onClose={onClose} scrim={false}>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- the keys come from the items inside */}
      <div
        ref={box}
        // Also around a menu alone: what stands outside the page's landmarks must be a dialog.
        role="dialog"
        aria-label={label}
        className={css["menu"]}
        style={place ?? { opacity: 0 } /* what is hidden takes no focus */}
        onKeyDown={onKeyDown}
      >
        {head}
        <div role="menu" aria-label={label}>
          {items.map((item, index) => (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              tabIndex={-1}
              data-autofocus={index === 0 && head === undefined ? "" : undefined}
              className={[css["item"], item.danger === true ? css["danger"] : undefined].filter(Boolean).join(" ")}
              onClick={() => {
                onClose();
                item.onSelect();
              }}
            >
              <Icon name={item.icon} size={20} />
              {item.label}
            </button>
          ))}
        </div>
      </div>
    </Layer>
  );
}
