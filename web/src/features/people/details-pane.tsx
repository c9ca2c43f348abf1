import { useState } from "react";
import type { ConversationId, ConversationView } from "../../sync/api";
import { Avatar } from "../../ui/avatar";
import { IconButton } from "../../ui/button";
import { Toggle } from "../../ui/field";
import { Icon } from "../../ui/icon";
import { Name } from "../../ui/name";
import { presenceLine } from "../conversations/wording";
import { useMediaSource } from "../media/source";
import { useClient, useConversation, useLive, useScreen, useSelfId } from "../messenger/context";
import { sentence } from "../messenger/failure";
import { Members } from "./members";
import { NameForm } from "./name-form";
import { PictureButtons } from "./picture-buttons";
import css from "./people.module.css";

/** What there is to know and to change about a conversation. */
export default function DetailsPane({ conversationId }: { conversationId: ConversationId }) {
  const conversation = useConversation(conversationId);
  const showDetails = useScreen((screen) => screen.showDetails);
  return (
    <div className={css.details}>
      <header className={css.head}>
        <IconButton
          icon="close"
          label="Close the details"
          onClick={() => {
            showDetails(false);
          }}
        />
        <h2 className={css.headTitle}>Details</h2>
      </header>
      {conversation !== undefined && <Details conversation={conversation} />}
    </div>
  );
}

function Details({ conversation }: { conversation: ConversationView }) {
  const client = useClient();
  const say = useScreen((screen) => screen.say);
  const { id, type, title, peer, avatarUrl, muted, archived, left, myRole, participantCount, presence } = conversation;
  const picture = useMediaSource(avatarUrl === undefined ? null : { path: avatarUrl });
  const [renaming, setRenaming] = useState(false);
  const attempt = (work: Promise<unknown>) => {
    work.catch((error: unknown) => {
      say(sentence(error));
    });
  };
  const group = type !== "direct";
  const admin = group && myRole === "admin" && !left;

  return (
    <>
      <div className={css.hero}>
        <Avatar id={peer?.userId ?? id} name={title} url={picture} kind={group ? (type as "group" | "channel") : "person"} size="xl" />
        <Name className={css.heroName}>{title}</Name>
        <span className={css.heroLine}>
          {group ? `${participantCount} ${participantCount === 1 ? "member" : "members"}` : peer === undefined ? "" : `@${peer.username}`}
        </span>
        {!group && <span className={css.heroLine}>{presenceLine(presence, new Date())}</span>}
        {admin && <PictureButtons present={avatarUrl !== undefined} onChange={(avatar) => client.conversations.setAvatar(id, avatar)} />}
      </div>

      {admin && (
        <div className={css.section}>
          {renaming ? (
            <NameForm
              label="Name"
              name={conversation.name}
              missing="Give it a name."
              longest={100}
              className={css.renameLine}
              onSave={async (name) => {
                await client.conversations.rename(id, name);
                setRenaming(false);
              }}
            />
          ) : (
            <button
              type="button"
              className={css.wide}
              onClick={() => {
                setRenaming(true);
              }}
            >
              <Icon name="edit" /> Rename
            </button>
          )}
        </div>
      )}

      <div className={css.section}>
        <Toggle
          label="Mute"
          hint="No notifications"
          checked={muted}
          onChange={(on) => {
            attempt(client.conversations.setMuted(id, on));
          }}
        />
        <Toggle
          label="Archive"
          hint="Out of the list of chats"
          checked={archived}
          onChange={(on) => {
            attempt(client.conversations.setArchived(id, on));
          }}
        />
      </div>

      {group && !left && <Members conversation={conversation} />}

      <div className={css.section}>
        {group && !left && <Leave conversation={conversation} />}
        {!group && peer !== undefined && <Block userId={peer.userId} />}
      </div>
    </>
  );
}

function Leave({ conversation }: { conversation: ConversationView }) {
  const client = useClient();
  const say = useScreen((screen) => screen.say);
  const [sure, setSure] = useState(false);
  return (
    <button
      type="button"
      className={[css.wide, css.danger].join(" ")}
      onBlur={() => {
        setSure(false);
      }}
      onClick={() => {
        if (!sure) setSure(true);
        else
          client.conversations.leave(conversation.id).catch((error: unknown) => {
            say(sentence(error));
          });
      }}
    >
      <Icon name="leave" /> {sure ? "Press again to leave" : conversation.type === "channel" ? "Leave the channel" : "Leave the group"}
    </button>
  );
}

function Block({ userId }: { userId: string }) {
  const client = useClient();
  const selfId = useSelfId();
  const blocked = useLive(client.users.blocked).some((user) => user.id === userId);
  const say = useScreen((screen) => screen.say);
  if (userId === selfId) return null;
  return (
    <button
      type="button"
      className={[css.wide, css.danger].join(" ")}
      onClick={() => {
        (blocked ? client.users.unblock(userId) : client.users.block(userId)).then(
          () => {
            say(blocked ? "Unblocked." : "Blocked. You won't hear from each other.");
          },
          (error: unknown) => {
            say(sentence(error));
          },
        );
      }}
    >
      <Icon name="block" /> {blocked ? "Unblock" : "Block"}
    </button>
  );
}
