import { useState } from "react";
import type { ConversationId, User } from "../../sync/api";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { useClient, useConversation } from "../messenger/context";
import { sentence } from "../messenger/failure";
import { ChosenPeople } from "./chosen-people";
import { PeoplePicker } from "./people-picker";
import css from "./people.module.css";

export function AddMembers({ conversationId, onClose }: { conversationId: ConversationId; onClose: () => void }) {
  const client = useClient();
  const conversation = useConversation(conversationId);
  const [chosen, setChosen] = useState<readonly User[]>([]);
  const [failure, setFailure] = useState<string>();
  const [busy, setBusy] = useState(false);
  const inside = conversation?.participants.map((member) => member.userId);

  async function add() {
    setBusy(true);
    try {
      await client.conversations.addMembers(
        conversationId,
        chosen.map((user) => user.id),
      );
      onClose();
    } catch (error) {
      setFailure(sentence(error));
      setBusy(false);
    }
  }

  function choose(user: User) {
    setChosen((now) => (now.some((one) => one.id === user.id) ? now.filter((one) => one.id !== user.id) : [...now, user]));
  }

  return (
    <Dialog
      title="Add members"
      onClose={onClose}
      actions={
        <Button tone="primary" busy={busy} disabled={busy || chosen.length === 0} onClick={() => void add()}>
          Add
        </Button>
      }
    >
      <div className={css.stack}>
        {failure !== undefined && (
          <p className={css.failure} role="alert">
            {failure}
          </p>
        )}
        <ChosenPeople people={chosen} onRemove={choose} />
        <PeoplePicker chosen={chosen} without={inside ?? []} multiple onChoose={choose} />
      </div>
    </Dialog>
  );
}
