import type { ClientFailure, ErrorCode } from "../../sync/api";

const sentences: Record<ErrorCode, string> = {
  INVALID_JSON: "The server didn't understand that.",
  VALIDATION_ERROR: "That isn't valid.",
  UNAUTHENTICATED: "That user name and password don't belong together.",
  FORBIDDEN: "You aren't allowed to do that.",
  NOT_FOUND: "That doesn't exist any more.",
  CONFLICT: "That is taken already.",
  RATE_LIMITED: "Too much at once. Try again in a moment.",
  TOO_LARGE: "That is too large.",
  UNAVAILABLE: "The server can't be reached. Try again in a moment.",
  INTERNAL: "Something went wrong on the server.",
  OFFLINE: "You are offline.",
  CANCELLED: "Cancelled.",
  STORAGE_FULL: "This device has no space left.",
};

export function isFailure(error: unknown): error is ClientFailure {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

/** What went wrong, in a sentence for people. */
export function sentence(error: unknown): string {
  if (!isFailure(error)) return "Something went wrong.";
  const known = sentences[error.code] as string | undefined;
  if (error.code === "VALIDATION_ERROR" && error.message !== "") return capital(error.message);
  return known ?? "Something went wrong.";
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}
