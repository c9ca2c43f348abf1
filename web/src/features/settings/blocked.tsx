import { useEffect } from "react";
import { Avatar } from "../../ui/avatar";
import { Button } from "../../ui/button";
import { Name } from "../../ui/name";
import { useClient, useLive, useScreen } from "../messenger/context";
import { sentence } from "../messenger/failure";
import css from "./settings.module.css";

export function BlockedSettings() {
  const client = useClient();
  const blocked = useLive(client.users.blocked);
  const say = useScreen((screen) => screen.say);
  useEffect(() => {
    client.users.refreshBlocked().catch((error: unknown) => {
      say(sentence(error));
    });
  }, [client, say]);
  if (blocked.length === 0) return <p className={css.note}>You block nobody. A person is blocked from the details of your chat.</p>;
  return (
    <ul className={css.entries}>
      {blocked.map((user) => (
        <li key={user.id} className={css.entry}>
          <Avatar id={user.id} name={user.displayName} />
          <span className={css.words}>
            <Name className={css.entryTitle}>{user.displayName}</Name>
            <span className={css.entryLine}>@{user.username}</span>
          </span>
          <Button
            tone="quiet"
            onClick={() => {
              client.users.unblock(user.id).catch((error: unknown) => {
                say(sentence(error));
              });
            }}
          >
            Unblock
          </Button>
        </li>
      ))}
    </ul>
  );
}
