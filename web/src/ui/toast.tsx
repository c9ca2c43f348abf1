import css from "./toast.module.css";

/** A sentence that fades by itself; said once to screen readers. Give it a key that changes with each message. */
export function Toast({ text }: { text: string }) {
  return (
    <div className={css.toast} role="status">
      {text}
    </div>
  );
}
