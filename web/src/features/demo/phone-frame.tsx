import { useEffect, useRef } from "react";
import type { ConnectionState, ConversationId } from "../../sync/api";
import { Button } from "../../ui/button";
import { useLive } from "../messenger/context";
import { mountMessenger } from "../messenger/mount";
import type { Phone } from "./phones";
import css from "./demo.module.css";

/** So many messages at once: within what a server allows a user a minute by default. */
const burst = 10;

/** One phone: a whole messenger, and what can be done to its connection. */
export function PhoneFrame({ phone, conversation }: { phone: Phone; conversation: ConversationId }) {
  const screen = useRef<HTMLDivElement>(null);
  const { client, username } = phone;
  const connection = useLive(client.connection);
  const name = useLive(client.session).user?.displayName ?? username;
  const away = connection.state === "offline" && connection.manual;

  useEffect(() => {
    if (screen.current === null) return;
    return mountMessenger(screen.current, client, { conversation });
  }, [client, conversation]);

  async function sendMany() {
    for (let i = 1; i <= burst; i++) await client.messages.send(conversation, { content: `${name}: ${i} of ${burst}` });
  }

  return (
    <section className={css["phone"]} aria-label={`${name}'s phone`}>
      <p className={css["line"]} data-state={connection.state}>
        <span className={css["lamp"]} aria-hidden="true" />
        <span role="status">
          <strong>{name}</strong>: {stateName(connection)}
        </span>
      </p>
      <div className={css["case"]}>
        <div className={css["screen"]} ref={screen} />
      </div>
      <div className={css["controls"]}>
        <Button onClick={() => { if (away) client.connection.goOnline(); else client.connection.goOffline(); }}>
          {away ? "Go online" : "Go offline"}
        </Button>
        <Button disabled={connection.state !== "live"} onClick={() => { client.connection.killConnection(); }}>
          Kill the connection
        </Button>
        <Button onClick={() => { void sendMany(); }}>Send {burst}</Button>
      </div>
    </section>
  );
}

function stateName(connection: ConnectionState): string {
  switch (connection.state) {
    case "live":
      return "live";
    case "catching-up":
      return "catching up";
    case "connecting":
      return "connecting";
    case "offline":
      return connection.manual ? "offline by choice" : "offline";
    case "draining":
      return "the server restarts";
    case "replaced":
      return "connected from another window";
    case "refused":
      return "refused";
  }
}
