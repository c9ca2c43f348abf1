import type { ConversationView } from "../../sync/api";
import { typingLine } from "../conversations/wording";
import css from "./chat-pane.module.css";

/** Keeps its room while nobody types, so that the history doesn't jump. */
export function TypingLine({ conversation }: { conversation: ConversationView }) {
  const words = typingLine(
    conversation.typing.map((one) => one.displayName),
    false,
  );
  return (
    <div className={css.typing} data-testid="typing">
      {words !== "" && (
        <>
          <span className={css.dots} aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          <bdi dir="auto" className={css.typingWords}>
            {words}
          </bdi>
        </>
      )}
    </div>
  );
}
