import { useId, type ReactNode } from "react";
import { IconButton } from "./button";
import { Layer } from "./overlay";
import css from "./dialog.module.css";

type DialogProps = { title: string; onClose: () => void; children: ReactNode; actions?: ReactNode; wide?: boolean };

/** A sheet from below on a phone, a card in the middle on a desktop. */
export function Dialog({ title, onClose, children, actions, wide = false }: DialogProps) {
  const id = useId();
  return (
    <Layer onClose={onClose}>
      <div
        className={[css["dialog"], wide ? css["wide"] : undefined].filter(Boolean).join(" ")}
        role="dialog"
        aria-modal="true"
        aria-labelledby={id}
      >
        <header className={css["head"]}>
          <h2 id={id} className={css["title"]}>
            {title}
          </h2>
          <IconButton icon="close" label="Close" onClick={onClose} />
        </header>
        <div className={css["body"]}>{children}</div>
        {actions !== undefined && <footer className={css["actions"]}>{actions}</footer>}
      </div>
    </Layer>
  );
}
