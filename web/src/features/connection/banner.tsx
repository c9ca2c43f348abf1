import { useEffect, useState } from "react";
import { useClient, useLive } from "../messenger/context";
import { describe } from "./describe";
import css from "./banner.module.css";

/** Says the truth about the connection, and nothing while there is nothing to say. */
export function Banner() {
  const client = useClient();
  const connection = useLive(client.connection);
  const waiting = useLive(client.messages.outbox).filter((message) => message.state !== "failed").length;
  const until = "nextRetryAtMs" in connection ? connection.nextRetryAtMs : undefined;
  const seconds = useSecondsUntil(until);
  const said = describe(connection, seconds, waiting);

  return (
    <div className={css.region} role="status" aria-live="polite" data-connection={connection.state}>
      {said !== null && (
        <div className={[css.banner, css[said.tone]].join(" ")}>
          <span>
            {said.text}
            {/* Counting down aloud would be no help. */}
            {said.countdown !== undefined && <span aria-hidden="true"> {said.countdown}</span>}
          </span>
          {said.action !== undefined && (
            <button
              type="button"
              className={css.action}
              onClick={() => {
                if (connection.state === "offline" && connection.manual) client.connection.goOnline();
                else client.connection.reconnect();
              }}
            >
              {said.action}
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function useSecondsUntil(at: number | undefined): number | undefined {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (at === undefined) return;
    const tick = () => {
      setNow(Date.now());
    };
    tick();
    const timer = setInterval(tick, 500);
    return () => {
      clearInterval(timer);
    };
  }, [at]);
  return at === undefined ? undefined : Math.max(0, Math.ceil((at - now) / 1000));
}
