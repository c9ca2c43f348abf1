// @vitest-environment jsdom
import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import type { MessageView } from "../../sync/api";
import { renderPart } from "../testing/render";
import { member, message, other, scriptedClient, self } from "../testing/scripted-client";
import { MessageRow } from "./message-row";

function setup(shown: MessageView, name = other.displayName) {
  const actions = { menu: vi.fn(), reply: vi.fn(), react: vi.fn(), retry: vi.fn(), discard: vi.fn() };
  const onJump = vi.fn();
  const people = new Map([member(self), member({ ...other, displayName: name })].map((one) => [one.userId, one]));
  const view = renderPart(
    <MessageRow
      measure={() => undefined}
      index={0}
      message={shown}
      people={people}
      direct={false}
      writable
      day={undefined}
      unread={false}
      first
      last
      focused={false}
      hovered={false}
      lit={false}
      actions={actions}
      onJump={onJump}
      watchRead={() => undefined}
    />,
    scriptedClient(),
  );
  return { ...view, actions, onJump };
}

const markup = `<script>alert(1)</script><img src=x onerror=alert(1)><b>bold</b>`;

describe("a message", () => {
  it("shows markup as text, in the message and in the name", () => {
    const { container } = setup(message(1, { mine: false, content: markup }), markup);
    expect(container.querySelector("script, img, b")).toBeNull();
    expect(screen.getAllByText(markup)).toHaveLength(2);
  });

  it("isolates directions: nobody's override reaches beyond their own words", () => {
    setup(message(1, { mine: false, content: "\u202Egnp.exe" }), "\u202Eevil");
    expect(screen.getByText("\u202Egnp.exe").getAttribute("dir")).toBe("auto");
    expect(screen.getByText("\u202Eevil").tagName).toBe("BDI");
  });

  it("links only to the web, and tells the other page nothing", () => {
    setup(message(1, { content: "https://example.org javascript:alert(1)" }));
    const links = screen.getAllByRole<HTMLAnchorElement>("link");
    expect(links.map((link) => link.href)).toEqual(["https://example.org/"]);
    expect(links[0]?.rel).toContain("noopener");
    expect(links[0]?.target).toBe("_blank");
  });

  it("folds what is very long", async () => {
    const long = "x".repeat(10_000);
    setup(message(1, { content: long }));
    expect(screen.queryByText(long)).toBeNull();
    await userEvent.click(screen.getByRole("button", { name: "Show all" }));
    expect(screen.getByText(long)).toBeTruthy();
  });

  it.each([
    ["pending", "Waiting to be sent"],
    ["sending", "Sending"],
    ["sent", "Sent"],
    ["delivered", "Delivered"],
    ["read", "Read"],
  ] as const)("%s has its tick", (state, name) => {
    setup(message(1, { mine: true, state }));
    expect(screen.getByRole("img", { name })).toBeTruthy();
  });

  it("that failed offers another try, and to be discarded", async () => {
    const failed = message(1, { mine: true, state: "failed", error: { code: "FORBIDDEN", message: "not allowed" } });
    const { actions } = setup(failed);
    expect(screen.getByRole("alert").textContent).toContain("not allowed");
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    await userEvent.click(screen.getByRole("button", { name: "Discard" }));
    expect(actions.retry).toHaveBeenCalledWith(failed);
    expect(actions.discard).toHaveBeenCalledWith(failed);
  });

  it("that was deleted shows nothing of what it was", () => {
    const { container } = setup(message(1, { content: "secret", deleted: true, reactions: [{ userId: other.id, emoji: "👍" }] }));
    expect(container.textContent).not.toContain("secret");
    expect(container.textContent).toContain("Message deleted");
    expect(screen.queryByRole("group", { name: "Reactions" })).toBeNull();
  });

  it("leads to what it answers", async () => {
    const parent = message(1, { content: "parent" });
    const { onJump } = setup(
      message(2, {
        replyToId: parent.id!,
        replyTo: { id: parent.id!, senderId: other.id, content: "parent", contentType: "text", deleted: false },
      }),
    );
    await userEvent.click(screen.getByRole("button", { name: "Go to the message this answers" }));
    expect(onJump).toHaveBeenCalledWith(parent.id);
  });

  it("counts its reactions; one's own is taken back by pressing it", async () => {
    const reacted = message(1, {
      reactions: [
        { userId: self.id, emoji: "👍" },
        { userId: other.id, emoji: "👍" },
        { userId: "x", emoji: "🎉" },
      ],
    });
    const { actions } = setup(reacted);
    const mine = screen.getByRole("button", { name: /^👍 by you, / });
    expect(mine.getAttribute("aria-pressed")).toBe("true");
    await userEvent.click(mine);
    await userEvent.click(screen.getByRole("button", { name: /^🎉 by/ }));
    expect(actions.react.mock.calls).toEqual([
      [reacted, ""],
      [reacted, "🎉"],
    ]);
  });
});
