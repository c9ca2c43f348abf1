import { useEffect, useState } from "react";
import type { ConversationView, Participant } from "../../sync/api";
import { IconButton } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { Menu, type MenuItem } from "../../ui/menu";
import { useClient, useScreen, useSelfId } from "../messenger/context";
import { sentence } from "../messenger/failure";
import { PersonRow } from "./person-row";
import css from "./people.module.css";

/** Who is in, and for admins: adding, removing, and roles. */
export function Members({ conversation }: { conversation: ConversationView }) {
  const client = useClient();
  const selfId = useSelfId();
  const show = useScreen((screen) => screen.show);
  const open = useScreen((screen) => screen.open);
  const say = useScreen((screen) => screen.say);
  const [menu, setMenu] = useState<{ x: number; y: number; member: Participant }>();
  const { members, more } = useMembers(conversation);
  const { id, myRole, type } = conversation;
  const admin = myRole === "admin";
  const attempt = (work: Promise<unknown>) => {
    work.catch((error: unknown) => {
      say(sentence(error));
    });
  };

  function items({ userId, role }: Participant): MenuItem[] {
    const message: MenuItem = {
      label: "Message",
      icon: "person",
      onSelect: () => {
        attempt(
          client.conversations.createDirect(userId).then((made) => {
            open(made.id);
          }),
        );
      },
    };
    if (!admin) return [message];
    return [
      message,
      {
        label: role === "admin" ? "Make a member" : "Make an admin",
        icon: "shield",
        onSelect: () => {
          attempt(client.conversations.setRole(id, userId, role === "admin" ? "member" : "admin"));
        },
      },
      {
        label: "Remove",
        icon: "trash",
        danger: true,
        onSelect: () => {
          attempt(client.conversations.removeMember(id, userId));
        },
      },
    ];
  }

  return (
    <section className={css.section} aria-label="Members">
      <div className={css.sectionHead}>
        <h3 className={css.sectionTitle}>Members</h3>
        {admin && (
          <IconButton
            icon="plus"
            label="Add members"
            onClick={() => {
              show({ kind: "members", conversationId: id });
            }}
          />
        )}
      </div>
      <ul className={css.members}>
        {members.map((member) => (
          <Member
            key={member.userId}
            member={member}
            self={member.userId === selfId}
            onMenu={(at) => {
              setMenu({ ...at, member });
            }}
          />
        ))}
      </ul>
      {more !== undefined && (
        <button
          type="button"
          className={css.wide}
          onClick={() => {
            attempt(more());
          }}
        >
          <Icon name="down" /> Show more
        </button>
      )}
      {menu !== undefined && (
        <Menu
          label={type === "channel" ? "Member of the channel" : "Member of the group"}
          items={items(menu.member)}
          at={menu}
          onClose={() => {
            setMenu(undefined);
          }}
        />
      )}
    </section>
  );
}

function Member({ member, self, onMenu }: { member: Participant; self: boolean; onMenu: (at: { x: number; y: number }) => void }) {
  return (
    <PersonRow id={member.userId} name={member.displayName} line={`@${member.username}`} avatarUrl={member.avatarUrl} self={self}>
      {member.role === "admin" && <span className={css.role}>admin</span>}
      {self ? (
        <span className={css.noMenu} />
      ) : (
        <IconButton
          icon="more"
          label={`More about ${member.displayName.slice(0, 60)}`}
          aria-haspopup="menu"
          onClick={(event) => {
            const box = event.currentTarget.getBoundingClientRect();
            onMenu({ x: box.left, y: box.bottom });
          }}
        />
      )}
    </PersonRow>
  );
}

/** A group's members come with the conversation; a channel's are read page by page. */
function useMembers(conversation: ConversationView): { members: readonly Participant[]; more: (() => Promise<void>) | undefined } {
  const client = useClient();
  const { id, type, participants } = conversation;
  const [pages, setPages] = useState<{ members: readonly Participant[]; cursor?: string | undefined }>();
  const paged = type === "channel";
  useEffect(() => {
    if (!paged) return;
    let current = true;
    client.conversations.members(id).then(
      (page) => {
        if (current) setPages(page);
      },
      () => undefined, // oneself is shown all the same
    );
    return () => {
      current = false;
    };
  }, [client, id, paged, conversation.participantCount]);
  if (!paged || pages === undefined) return { members: participants, more: undefined };
  const { members, cursor } = pages;
  return {
    members,
    more:
      cursor === undefined
        ? undefined
        : async () => {
            const page = await client.conversations.members(id, cursor);
            setPages({ members: [...members, ...page.members], cursor: page.cursor });
          },
  };
}
