import { Dialog } from "../../ui/dialog";
import EmojiPicker from "./emoji-picker";

export default function EmojiDialog({
  title,
  onChoose,
  onClose,
}: {
  title: string;
  onChoose: (emoji: string) => void;
  onClose: () => void;
}) {
  return (
    <Dialog title={title} onClose={onClose}>
      <EmojiPicker onChoose={onChoose} />
    </Dialog>
  );
}
