// @vitest-environment jsdom
import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it } from "vitest";
import { renderPart } from "../testing/render";
import { scriptedClient } from "../testing/scripted-client";
import { AuthScreen, check } from "./auth-screen";

function setup(failure?: object) {
  const script = scriptedClient({ signedIn: false });
  if (failure !== undefined) {
    script.client.session.register = async () => {
      throw Object.assign(new Error("said no"), failure);
    };
    script.client.session.login = script.client.session.register;
  }
  renderPart(<AuthScreen />, script);
  return script;
}

async function fillIn(register: boolean) {
  if (register) await userEvent.click(screen.getByRole("button", { name: "Create an account" }));
  await userEvent.type(screen.getByLabelText("User name"), "Mara");
  await userEvent.type(screen.getByLabelText("Password"), "long enough");
  await userEvent.click(screen.getByRole("button", { name: register ? "Create account" : "Sign in" }));
}

const errorAt = (label: string) => {
  const input = screen.getByLabelText(label);
  return input.getAttribute("aria-invalid") === "true"
    ? document.getElementById(input.getAttribute("aria-describedby") ?? "")?.textContent
    : undefined;
};

describe("signing in", () => {
  it("asks the engine", async () => {
    const { calls } = setup();
    await fillIn(false);
    expect(calls).toContainEqual({ name: "login", args: ["mara", "long enough"] });
  });

  it("says what is missing at its field, without asking the server", async () => {
    const { calls } = setup();
    await userEvent.click(screen.getByRole("button", { name: "Sign in" }));
    expect(errorAt("User name")).toBe("Enter a user name.");
    expect(errorAt("Password")).toBe("Enter a password.");
    expect(calls).toEqual([]);
  });

  it("puts the server's objections at their fields", async () => {
    setup({ code: "VALIDATION_ERROR", field: "password", fields: { password: "is too common" } });
    await fillIn(true);
    expect(errorAt("Password")).toBe("is too common");
    expect(errorAt("User name")).toBeUndefined();
  });

  it("puts a taken name at the name", async () => {
    setup({ code: "CONFLICT" });
    await fillIn(true);
    expect(errorAt("User name")).toBe("That user name is taken.");
  });

  it("says what belongs to no field above the button", async () => {
    setup({ code: "UNAUTHENTICATED" });
    await fillIn(false);
    expect(screen.getByRole("alert").textContent).toBe("That user name and password don't belong together.");
  });

  it("knows the rules for new names and passwords, and is lenient with old ones", () => {
    expect(Object.keys(check("register", "a b", "short"))).toEqual(["username", "password"]);
    expect(check("register", "mara.lund_1", "🎉".repeat(10))).toEqual({});
    expect(check("login", "X", "short")).toEqual({});
  });
});
