import { useEffect, useState } from "react";
import { Button } from "../../ui/button";
import { PhoneFrame } from "./phone-frame";
import { makePhones, signIn, type Phones } from "./phones";
import { steps, meanings } from "./trace";
import { TraceView } from "./trace-view";
import { watch, type Watched } from "./watch";
import css from "./demo.module.css";

const phones = makePhones();
const nothing: Watched = { trace: [], stored: 0, faults: { lost: 0, doubled: 0, reordered: 0 } };

/** Two phones side by side, and between them what happens to each message. */
export function Demo() {
  const [open, setOpen] = useState<Phones>();
  const [problem, setProblem] = useState("");
  const [tries, setTries] = useState(0);

  useEffect(() => {
    let left = false;
    signIn(phones).then(
      (both) => { if (!left) setOpen(both); },
      (error: unknown) => { if (!left) setProblem(error instanceof Error ? error.message : String(error)); },
    );
    return () => { left = true; };
  }, [tries]);

  return (
    <div className={css["page"]}>
      <header className={css["header"]}>
        <img src="/icon.svg" alt="" width={36} height={36} />
        <h1>Two phones</h1>
        <p>
          Each is a whole messenger with its own connection and its own storage. Take one offline, kill a connection, or stop the
          server: every message arrives, once and in order.
        </p>
      </header>
      {open !== undefined ? (
        <Stage phones={open} />
      ) : (
        <main className={css["waiting"]} aria-busy={problem === ""}>
          {problem === "" ? (
            <p>Signing in…</p>
          ) : (
            <>
              <p role="alert">The demo logins couldn’t sign in: {problem}</p>
              <Button tone="primary" onClick={() => { setProblem(""); setTries(tries + 1); }}>
                Try again
              </Button>
            </>
          )}
        </main>
      )}
    </div>
  );
}

function Stage({ phones: { left, right, conversation } }: { phones: Phones }) {
  const [watched, setWatched] = useState(nothing);
  useEffect(() => watch({ left, right, conversation }, setWatched), [left, right, conversation]);
  const names = {
    left: left.client.session.get().user?.displayName ?? left.username,
    right: right.client.session.get().user?.displayName ?? right.username,
  };
  return (
    <main className={css["stage"]}>
      <PhoneFrame phone={left} conversation={conversation} />
      <div className={css["middle"]}>
        <h2>Delivery trace</h2>
        <dl className={css["counters"]}>
          <Counter name="stored" count={watched.stored} />
          <Counter name="lost" count={watched.faults.lost} fault />
          <Counter name="doubled" count={watched.faults.doubled} fault />
          <Counter name="reordered" count={watched.faults.reordered} fault />
        </dl>
        <TraceView trace={watched.trace} names={names} />
        <details className={css["legend"]}>
          <summary>What the steps mean</summary>
          <dl>
            {steps.map((step) => (
              <div key={step}>
                <dt>{step}</dt>
                <dd>{meanings[step]}</dd>
              </div>
            ))}
          </dl>
        </details>
      </div>
      <PhoneFrame phone={right} conversation={conversation} />
    </main>
  );
}

function Counter({ name, count, fault = false }: { name: string; count: number; fault?: boolean }) {
  return (
    <div className={css["counter"]} data-fault={(fault && count > 0) || undefined} data-counter={name}>
      <dt>{name}</dt>
      <dd>{count}</dd>
    </div>
  );
}
