import type { ConnectionState } from "../../sync/api";

export interface Said {
  tone: "calm" | "warn";
  text: string;
  countdown?: string | undefined;
  action?: string;
}

const refusals = {
  "signed-out": "You were signed out.",
  expired: "Your session has expired.",
  "too-many-devices": "You have too many devices. Remove one in the settings, then try again.",
  forbidden: "The server refuses the connection.",
  protocol: "This page is too old for the server. Reload it.",
} as const;

export function describe(connection: ConnectionState, seconds: number | undefined, waiting: number): Said | null {
  const kept = waiting === 0 ? "" : waiting === 1 ? " 1 message waits to be sent." : ` ${waiting} messages wait to be sent.`;
  const countdown = seconds === undefined ? undefined : seconds === 0 ? "now" : `in ${seconds} s`;
  switch (connection.state) {
    case "live":
      return null;
    case "offline":
      if (connection.manual) return { tone: "warn", text: `You are offline.${kept}`, action: "Go online" };
      if (countdown === undefined)
        return connection.attempts === 0 && waiting === 0 ? null : { tone: "warn", text: `No connection.${kept}`, action: "Try now" };
      return { tone: "warn", text: `No connection.${kept} Trying again`, countdown, action: "Try now" };
    case "connecting":
      return { tone: connection.attempts > 1 ? "warn" : "calm", text: `Connecting…${kept}` };
    case "catching-up":
      return { tone: "calm", text: "Catching up with what you missed…" };
    case "draining":
      return { tone: "warn", text: `The server is restarting.${kept} Back`, countdown: countdown ?? "soon" };
    case "replaced":
      return { tone: "warn", text: "This device is connected from another window.", action: "Use it here" };
    case "refused":
      return { tone: "warn", text: refusals[connection.reason], action: "Try again" };
  }
}
