import css from "./spinner.module.css";

export function Spinner({ label }: { label: string }) {
  return <span className={css.spinner} role="status" aria-label={label} />;
}
