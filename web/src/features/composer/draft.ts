import { useEffect, useRef } from "react";
import { useClient } from "../messenger/context";

/** Keeps what stands in the field, shortly after each change and when the conversation is left. */
export function useDraft(id: string, text: string, active: boolean) {
  const client = useClient();
  const draft = useRef({ current: text, kept: text, clear: () => undefined as void });
  useEffect(() => {
    if (!active) return;
    const now = draft.current;
    now.current = text;
    now.clear = () => {
      now.current = "";
      now.kept = "";
      client.conversations.setDraft(id, "");
    };
    if (now.kept === text) return;
    const keep = () => {
      if (now.kept === now.current) return;
      now.kept = now.current;
      client.conversations.setDraft(id, now.current);
    };
    const timer = setTimeout(keep, 400);
    return () => {
      clearTimeout(timer);
    };
  }, [client, id, text, active]);
  useEffect(() => {
    const now = draft.current;
    return () => {
      if (now.kept !== now.current) client.conversations.setDraft(id, now.current);
    };
  }, [client, id]);
  return draft.current;
}
