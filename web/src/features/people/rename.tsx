import { useState, type FormEvent } from "react";
import type { ConversationView } from "../../sync/api";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import { useClient } from "../messenger/context";
import { sentence } from "../messenger/failure";
import css from "./people.module.css";

export function Rename({ conversation, onDone }: { conversation: ConversationView; onDone: () => void }) {
  const client = useClient();
  const [name, setName] = useState(conversation.name);
  const [error, setError] = useState<string>();

  function submit(event: FormEvent) {
    event.preventDefault();
    if (name.trim() === "") {
      setError("Give it a name.");
      return;
    }
    client.conversations.rename(conversation.id, name.trim()).then(onDone, (failure: unknown) => {
      setError(sentence(failure));
    });
  }

  return (
    <form className={css.renameLine} onSubmit={submit}>
      <Field
        label="Name"
        value={name}
        error={error}
        maxLength={100}
        dir="auto"
        onChange={(event) => {
          setName(event.target.value);
        }}
      />
      <Button type="submit" tone="primary">
        Save
      </Button>
    </form>
  );
}
