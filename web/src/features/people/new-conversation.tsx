import { useState } from "react";
import type { User } from "../../sync/api";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Field } from "../../ui/field";
import { useClient, useScreen } from "../messenger/context";
import { sentence } from "../messenger/failure";
import { ChosenPeople } from "./chosen-people";
import { PeoplePicker } from "./people-picker";
import css from "./people.module.css";

const titles = { person: "New chat", group: "New group", channel: "New channel" };

export function NewConversation({ page, onClose }: { page: "person" | "group" | "channel"; onClose: () => void }) {
  const client = useClient();
  const open = useScreen((screen) => screen.open);
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<readonly User[]>([]);
  const [failure, setFailure] = useState<string>();
  const [busy, setBusy] = useState(false);
  const several = page !== "person";

  async function make(people: readonly User[]) {
    if (several && name.trim() === "") {
      setFailure("Give it a name.");
      return;
    }
    setBusy(true);
    setFailure(undefined);
    try {
      const ids = people.map((user) => user.id);
      const first = ids[0];
      const made =
        page === "group"
          ? await client.conversations.createGroup(name.trim(), ids)
          : page === "channel"
            ? await client.conversations.createChannel(name.trim(), ids)
            : first === undefined
              ? undefined
              : await client.conversations.createDirect(first);
      if (made !== undefined) open(made.id);
      onClose();
    } catch (error) {
      setFailure(sentence(error));
      setBusy(false);
    }
  }

  function choose(user: User) {
    if (!several) void make([user]);
    else setChosen((now) => (now.some((one) => one.id === user.id) ? now.filter((one) => one.id !== user.id) : [...now, user]));
  }

  return (
    <Dialog
      title={titles[page]}
      onClose={onClose}
      actions={
        several ? (
          <Button tone="primary" busy={busy} onClick={() => void make(chosen)}>
            {page === "group" ? "Create group" : "Create channel"}
          </Button>
        ) : undefined
      }
    >
      <div className={css.stack}>
        {several && (
          <Field
            label={page === "group" ? "Group name" : "Channel name"}
            value={name}
            maxLength={100}
            dir="auto"
            data-autofocus=""
            onChange={(event) => {
              setName(event.target.value);
            }}
          />
        )}
        {failure !== undefined && (
          <p className={css.failure} role="alert">
            {failure}
          </p>
        )}
        {several && <ChosenPeople people={chosen} onRemove={choose} />}
        <PeoplePicker chosen={chosen} multiple={several} onChoose={choose} />
      </div>
    </Dialog>
  );
}
