import type { MessageState } from "../../sync/api";
import css from "./tick.module.css";

const names: Record<Exclude<MessageState, "received">, string> = {
  pending: "Waiting to be sent",
  sending: "Sending",
  sent: "Sent",
  delivered: "Delivered",
  read: "Read",
  failed: "Not sent",
};

const single = "M3 8.500l3.5 3.500L13 5";
const double = "M1.5 8.500L5 12l6.5-7 M7.5 11l1.2 1L15 5";
const clock = "M8 2.500a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11z M8 5.200V8l2 1.2";
const bang = "M8 2.500a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11z M8 5v3.6 M8 11v.1";

const shapes: Record<Exclude<MessageState, "received">, string> = {
  pending: clock,
  sending: clock,
  sent: single,
  delivered: double,
  read: double,
  failed: bang,
};

/** How far a message of one's own has come: clock, tick, two ticks, two blue ticks, or that it failed. */
export function Tick({ state }: { state: MessageState }) {
  if (state === "received") return null;
  return (
    <span
      className={[css.tick, state === "read" ? css.read : "", state === "failed" ? css.failed : ""].join(" ")}
      role="img"
      aria-label={names[state]}
      title={names[state]}
      data-state={state}
    >
      <svg
        width="16"
        height="16"
        viewBox="0 0 16 16"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.6"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
      >
        <path d={shapes[state]} />
      </svg>
    </span>
  );
}
