import { useEffect } from "react";
import { Button } from "../../ui/button";
import { useClient, useLive, useScreen } from "../messenger/context";
import { sentence } from "../messenger/failure";
import { PersonRow } from "../people/person-row";
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
        <PersonRow key={user.id} id={user.id} name={user.displayName} line={`@${user.username}`} avatarUrl={user.avatarUrl}>
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
        </PersonRow>
      ))}
    </ul>
  );
}
