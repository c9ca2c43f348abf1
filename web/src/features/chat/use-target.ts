import { useCallback, useEffect, useRef, useState } from "react";
import type { MessageId, MessageWindow } from "../../sync/api";
import { useScreen, useScreenStore } from "../messenger/context";

const litFor = 1_800;

/**
 * Goes to a message that was asked for (a reply's parent, a search hit), loads what is around it when it isn't in the window,
 * and lights it up for a moment.
 */
export function useTarget(
  messages: MessageWindow,
  scrollTo: (index: number) => void,
  onMissing: () => void,
): { lit: MessageId | null; seek: (id: MessageId) => void } {
  const [lit, setLit] = useState<MessageId | null>(null);
  const target = useScreen((screen) => screen.target);
  const screen = useScreenStore();
  const latest = useRef({ scrollTo, onMissing });
  useEffect(() => {
    latest.current = { scrollTo, onMissing };
  });

  const seek = useCallback(
    (id: MessageId) => {
      const show = () => {
        const index = messages.get().items.findIndex((item) => item.id === id);
        if (index < 0) return false;
        latest.current.scrollTo(index);
        setLit(id);
        return true;
      };
      if (show()) return;
      messages.jumpTo(id).then(
        (found) => {
          if (!found || !show()) latest.current.onMissing();
        },
        () => {
          latest.current.onMissing();
        },
      );
    },
    [messages],
  );

  useEffect(() => {
    if (target === null || target.conversationId !== messages.conversationId) return;
    screen.setState({ target: null });
    seek(target.messageId);
  }, [target, messages, screen, seek]);

  useEffect(() => {
    if (lit === null) return;
    const timer = setTimeout(() => {
      setLit(null);
    }, litFor);
    return () => {
      clearTimeout(timer);
    };
  }, [lit]);

  return { lit, seek };
}
