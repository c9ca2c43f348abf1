import { memo } from "react";
import { meanings, steps, type Delivery, type Side, type Trace } from "./trace";
import css from "./demo.module.css";

/** So many rows are shown. */
const shown = 40;

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

/** Every message of the two phones with the steps it went through, newest first. */
export function TraceView({ trace, names }: { trace: Trace; names: Record<Side, string> }) {
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
    <div className={css["scroll"]} tabIndex={0} role="region" aria-label="Delivery trace">
      <table className={css["trace"]}>
        <thead>
          <tr>
            <th scope="col">From</th>
            {steps.map((step) => (
              <th key={step} scope="col" title={meanings[step]}>
                {step}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {trace.slice(0, shown).map((delivery) => (
            <Row key={delivery.key} delivery={delivery} name={names[delivery.from]} />
          ))}
        </tbody>
      </table>
      {trace.length === 0 && <p className={css["empty"]}>Write something on either phone.</p>}
    </div>
  );
}

const Row = memo(function Row({ delivery, name }: { delivery: Delivery; name: string }) {
  const { at, from, failed } = delivery;
  const began = at.queued ?? at.stored ?? at.published;
  return (
    <tr data-from={from} data-failed={failed || undefined}>
      <th scope="row">
        {name} <span aria-hidden="true">{from === "left" ? "→" : "←"}</span>
        {failed && <span className={css["failed"]}> failed</span>}
      </th>
      {steps.map((step) => (
        <td key={step} data-step={step} data-lit={at[step] !== undefined || undefined}>
          <span className={css["light"]} aria-hidden="true" />
          {took(step === "queued" ? undefined : began, at[step])}
        </td>
      ))}
    </tr>
  );
});

/** The time since the first step; of the first step itself, the time of day. */
function took(beganMs: number | undefined, atMs: number | undefined): string {
  if (atMs === undefined) return "–";
  if (beganMs === undefined) return clock.format(atMs);
  const ms = Math.max(0, atMs - beganMs);
  return ms < 10_000 ? `+${Math.round(ms)} ms` : `+${(ms / 1000).toFixed(1)} s`;
}
