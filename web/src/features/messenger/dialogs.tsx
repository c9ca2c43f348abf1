import type { MessageView } from "../../sync/api";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { later } from "../../ui/later";
import { AddMembers } from "../people/add-members";
import { NewConversation } from "../people/new-conversation";
import { Receipts } from "../people/receipts";
import { useClient, useScreen } from "./context";
import { sentence } from "./failure";
import { NotOpened } from "./not-opened";
import type { ScreenDialog } from "./screen";

const Settings = later(() => import("../settings/settings"), { failed: ({ onClose }) => <NotOpened onClose={onClose} /> });
const Lightbox = later(() => import("../media/lightbox"), { failed: ({ onClose }) => <NotOpened onClose={onClose} /> });

/** Whatever stands over the panes. Loaded when the first of them is asked for. */
export default function Dialogs({ dialog }: { dialog: ScreenDialog }) {
  const show = useScreen((screen) => screen.show);
  const close = () => {
    show(null);
  };
  switch (dialog.kind) {
    case "new":
      return <NewConversation page={dialog.page} onClose={close} />;
    case "members":
      return <AddMembers conversationId={dialog.conversationId} onClose={close} />;
    case "receipts":
      return <Receipts message={dialog.message} onClose={close} />;
    case "delete":
      return <Delete message={dialog.message} onClose={close} />;
    case "lightbox":
      return <Lightbox message={dialog.message} onClose={close} />;
    case "settings":
      return <Settings page={dialog.page} onClose={close} />;
  }
}

function Delete({ message, onClose }: { message: MessageView; onClose: () => void }) {
  const client = useClient();
  const say = useScreen((screen) => screen.say);
  return (
    <Dialog
      title="Delete this message?"
      onClose={onClose}
      actions={
        <>
          <Button data-autofocus="" onClick={onClose}>
            Keep
          </Button>
          <Button
            tone="danger"
            onClick={() => {
              onClose();
              if (message.id !== undefined)
                client.messages.remove(message.conversationId, message.id).catch((error: unknown) => {
                  say(sentence(error));
                });
            }}
          >
            Delete
          </Button>
        </>
      }
    >
      <p>It disappears for everybody in the conversation.</p>
    </Dialog>
  );
}
