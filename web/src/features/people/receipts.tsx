import { useEffect, useState } from "react";
import type { MemberReceipt, MessageView } from "../../sync/api";
import { Dialog } from "../../ui/dialog";
import { Spinner } from "../../ui/spinner";
import { Tick } from "../chat/tick";
import { useClient, useConversation } from "../messenger/context";
import { sentence } from "../messenger/failure";
import { PersonRow } from "./person-row";
import css from "./people.module.css";

const order = { read: 0, delivered: 1, sent: 2 };
const words = { read: "Read", delivered: "Delivered", sent: "Not delivered yet" };

/** How far a message has come with each member. */
export function Receipts({ message, onClose }: { message: MessageView; onClose: () => void }) {
  const client = useClient();
  const { conversationId, id } = message;
  const conversation = useConversation(conversationId);
  const [receipts, setReceipts] = useState<readonly MemberReceipt[]>();
  const [failure, setFailure] = useState<string>();
  const pictures = new Map(conversation?.participants.map((one) => [one.userId, one.avatarUrl]));
  const newest = conversation?.lastMessage?.state;

  useEffect(() => {
    if (id === undefined) return;
    let current = true;
    client.messages.receipts(conversationId, id).then(
      (found) => {
        if (current) setReceipts([...found].sort((a, b) => order[a.status] - order[b.status]));
      },
      (error: unknown) => {
        if (current) setFailure(sentence(error));
      },
    );
    return () => {
      current = false;
    };
  }, [client, conversationId, id, newest]);

  return (
    <Dialog title="Who has read it" onClose={onClose}>
      {failure !== undefined ? (
        <p className={css.failure} role="alert">
          {failure}
        </p>
      ) : receipts === undefined ? (
        <Spinner label="Reading the receipts" />
      ) : (
        <ul className={css.members}>
          {receipts.map((one) => (
            <PersonRow key={one.userId} id={one.userId} name={one.displayName} avatarUrl={pictures.get(one.userId)}>
              <span className={css.status}>
                {words[one.status]} <Tick state={one.status} />
              </span>
            </PersonRow>
          ))}
        </ul>
      )}
    </Dialog>
  );
}
