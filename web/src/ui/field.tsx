import { useId, type ComponentProps, type ReactNode } from "react";
import css from "./field.module.css";

type FieldProps = ComponentProps<"input"> & { label: string; error?: string | undefined; hint?: string | undefined; after?: ReactNode };

/** A labelled input whose error stands under it and is read out with it. */
export function Field({ label, error, hint, after, id, ...rest }: FieldProps) {
  const made = useId();
  const own = id ?? made;
  const note = error ?? hint;
  return (
    <div className={css["field"]}>
      <label htmlFor={own} className={css["label"]}>
        {label}
      </label>
      <div className={css["line"]}>
        <input
          {...rest}
          id={own}
          className={css["input"]}
          aria-invalid={error !== undefined}
          aria-describedby={note === undefined ? undefined : `${own}-note`}
        />
        {after}
      </div>
      {note !== undefined && (
        <p id={`${own}-note`} className={error === undefined ? css["hint"] : css["error"]} role={error === undefined ? undefined : "alert"}>
          {note}
        </p>
      )}
    </div>
  );
}

type ToggleProps = { label: string; hint?: string; checked: boolean; onChange: (checked: boolean) => void; disabled?: boolean };

export function Toggle({ label, hint, checked, onChange, disabled = false }: ToggleProps) {
  const id = useId();
  return (
    <div className={css["toggle"]}>
      <span>
        <label htmlFor={id} className={css["toggleLabel"]}>
          {label}
        </label>
        {hint !== undefined && (
          <span id={`${id}-hint`} className={css["hint"]}>
            {hint}
          </span>
        )}
      </span>
      <input
        id={id}
        type="checkbox"
        role="switch"
        className={css["switch"]}
        checked={checked}
        disabled={disabled}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onChange={(event) => {
          onChange(event.target.checked);
        }}
      />
    </div>
  );
}
