import { describe, expect, it } from "vitest";
import { describe as say } from "./describe";

describe("the banner", () => {
  it("is silent while all is well, and before anything was tried", () => {
    expect(say({ state: "live", sinceMs: 0 }, undefined, 3)).toBeNull();
    expect(say({ state: "offline", manual: false, attempts: 0 }, undefined, 0)).toBeNull();
  });

  it("counts down to the next try and says what waits", () => {
    expect(say({ state: "offline", manual: false, attempts: 2, nextRetryAtMs: 1 }, 7, 2)).toMatchObject({
      tone: "warn",
      text: "No connection. 2 messages wait to be sent. Trying again",
      countdown: "in 7 s",
      action: "Try now",
    });
  });

  it("tells being offline by choice from having no network", () => {
    expect(say({ state: "offline", manual: true, attempts: 0 }, undefined, 1)).toMatchObject({
      text: "You are offline. 1 message waits to be sent.",
      action: "Go online",
    });
  });

  it("offers to take the connection back", () => {
    expect(say({ state: "replaced" }, undefined, 0)?.action).toBe("Use it here");
  });

  it("has words for each refusal", () => {
    for (const reason of ["signed-out", "expired", "too-many-devices", "forbidden", "protocol"] as const) {
      expect(say({ state: "refused", reason, message: "" }, undefined, 0)?.text).toMatch(/\.$/);
    }
  });
});
