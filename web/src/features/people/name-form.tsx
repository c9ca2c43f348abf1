import { useState, type FormEvent, type ReactNode } from "react";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import { sentence } from "../messenger/failure";

interface NameFormProps {
  label: string;
  name: string;
  /** What is said when the field is empty. */
  missing: string;
  /** Characters at most, as the server has it. */
  longest: number;
  className?: string | undefined;
  onSave: (name: string) => Promise<unknown>;
  /** Between the field and the button. */
  children?: ReactNode;
}

/** A name to change, of oneself or of a group. What goes wrong is said at the field. */
export function NameForm({ label, name, missing, longest, className, onSave, children }: NameFormProps) {
  const [value, setValue] = useState(name);
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (value.trim() === "") {
      setError(missing);
      return;
    }
    setBusy(true);
    setError(undefined);
    try {
      await onSave(value.trim());
    } catch (failure) {
      setError(sentence(failure));
    } finally {
      setBusy(false);
    }
  }

  return (
    <form className={className} onSubmit={(event) => void submit(event)}>
      <Field
        label={label}
        value={value}
        error={error}
        maxLength={longest}
        dir="auto"
        onChange={(event) => {
          setValue(event.target.value);
        }}
      />
      {children}
      <Button type="submit" tone="primary" busy={busy}>
        Save
      </Button>
    </form>
  );
}
