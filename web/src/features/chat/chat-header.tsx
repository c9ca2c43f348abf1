import { useEffect, useState } from "react";
import type { ConversationView } from "../../sync/api";
import { Avatar } from "../../ui/avatar";
import { IconButton } from "../../ui/button";
import { Name } from "../../ui/name";
import { presenceLine } from "../conversations/wording";
import { useMediaSource } from "../media/source";
import { useScreen } from "../messenger/context";
import css from "./chat-pane.module.css";

export function ChatHeader({ conversation }: { conversation: ConversationView }) {
  const back = useScreen((screen) => screen.back);
  const details = useScreen((screen) => screen.route.details);
  const showDetails = useScreen((screen) => screen.showDetails);
  const { id, type, title, peer, presence, avatarUrl } = conversation;
  const picture = useMediaSource(avatarUrl === undefined ? null : { path: avatarUrl });
  const online = presence?.status === "online";
  return (
    <header className={css.head}>
      <IconButton icon="back" label="Back" className={css.back} onClick={back} />
      <button
        type="button"
        className={css.who}
        aria-expanded={details}
        onClick={() => {
          showDetails(!details);
        }}
      >
        <Avatar id={peer?.userId ?? id} name={title} url={picture} kind={type === "direct" ? "person" : type} online={online} />
        <span className={css.words}>
          <h2 className={css.title}>
            <Name>{title}</Name>
          </h2>
          <span className={[css.status, online ? css.online : ""].join(" ")} data-testid="chat-status">
            <Status conversation={conversation} />
          </span>
        </span>
      </button>
      <IconButton
        icon="info"
        label="Details"
        aria-expanded={details}
        onClick={() => {
          showDetails(!details);
        }}
      />
    </header>
  );
}

function Status({ conversation }: { conversation: ConversationView }) {
  const { type, participantCount, presence, left } = conversation;
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      setNow(Date.now());
    }, 30_000);
    return () => {
      clearInterval(timer);
    };
  }, []);
  if (left) return "You are no longer a member";
  if (type === "direct") return presenceLine(presence, new Date(Math.max(now, Date.parse(presence?.lastSeen ?? "") || 0)));
  return `${type === "channel" ? "Channel, " : ""}${participantCount} ${participantCount === 1 ? "member" : "members"}`;
}
