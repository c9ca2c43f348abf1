import { useCallback, useEffect, useState } from "react";
import { Button } from "../../ui/button";
import { Spinner } from "../../ui/spinner";
import { useClient, useScreen } from "../messenger/context";
import { sentence } from "../messenger/failure";
import css from "./settings.module.css";

interface Entry {
  id: string;
  title: string;
  line: string;
  current: boolean;
}

const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function seen(at: string): string {
  const then = new Date(at);
  return Number.isNaN(then.getTime()) ? "" : when.format(then);
}

/** "Firefox on Linux" out of what a browser calls itself. */
export function browserName(userAgent: string): string {
  const browser = /(Edg|OPR|Firefox|Chrome|Safari)\//.exec(userAgent)?.[1];
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(userAgent)?.[1];
  const names: Record<string, string> = { Edg: "Edge", OPR: "Opera", "Mac OS X": "macOS" };
  if (browser === undefined) return userAgent.slice(0, 60) || "Unknown";
  return system === undefined ? (names[browser] ?? browser) : `${names[browser] ?? browser} on ${names[system] ?? system}`;
}

/** Sessions are sign-ins; devices hold a place in the log of messages. Both can be ended from here. */
export function DeviceSettings() {
  const client = useClient();
  const say = useScreen((screen) => screen.say);
  const [sessions, setSessions] = useState<readonly Entry[]>();
  const [devices, setDevices] = useState<readonly Entry[]>();

  const read = useCallback(async () => {
    const [allSessions, allDevices] = await Promise.all([client.session.sessions(), client.session.devices()]);
    setSessions(
      allSessions.map((one) => ({
        id: one.id,
        title: browserName(one.userAgent),
        line: [one.address, seen(one.seenAt)].filter(Boolean).join(", "),
        current: one.current,
      })),
    );
    setDevices(
      allDevices.map((one) => ({ id: one.id, title: one.name === "" ? "Device" : browserName(one.name), line: `Seen ${seen(one.seenAt)}`, current: one.current })),
    );
  }, [client]);

  const attempt = useCallback(
    (work: Promise<unknown>) => {
      work.then(read).catch((error: unknown) => {
        say(sentence(error));
      });
    },
    [read, say],
  );

  useEffect(() => {
    attempt(Promise.resolve());
  }, [attempt]);

  if (sessions === undefined || devices === undefined) return <Spinner label="Reading the list" />;
  return (
    <div className={css.stack}>
      <h3 className={css.legend}>Where you are signed in</h3>
      <Entries
        entries={sessions}
        action="Sign out"
        here="This one"
        onEnd={(id) => {
          attempt(client.session.revokeSession(id));
        }}
      />
      {sessions.length > 1 && (
        <Button
          onClick={() => {
            attempt(client.session.revokeOtherSessions());
          }}
        >
          Sign out everywhere else
        </Button>
      )}
      <h3 className={css.legend}>Devices</h3>
      <Entries
        entries={devices}
        action="Remove"
        here="This one"
        onEnd={(id) => {
          attempt(client.session.deleteDevice(id));
        }}
      />
    </div>
  );
}

function Entries({
  entries,
  action,
  here,
  onEnd,
}: {
  entries: readonly Entry[];
  action: string;
  here: string;
  onEnd: (id: string) => void;
}) {
  return (
    <ul className={css.entries}>
      {entries.map((one) => (
        <li key={one.id} className={css.entry}>
          <span className={css.words}>
            <bdi className={css.entryTitle}>{one.title}</bdi>
            <bdi className={css.entryLine}>{one.line}</bdi>
          </span>
          {one.current ? (
            <span className={css.here}>{here}</span>
          ) : (
            <Button
              tone="quiet"
              aria-label={`${action} ${one.title}`}
              onClick={() => {
                onEnd(one.id);
              }}
            >
              {action}
            </Button>
          )}
        </li>
      ))}
    </ul>
  );
}
