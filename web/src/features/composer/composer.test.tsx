// @vitest-environment jsdom
import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useRef } from "react";
import { describe, expect, it } from "vitest";
import type { ConversationView } from "../../sync/api";
import { renderPart } from "../testing/render";
import { conversation, message, scriptedClient } from "../testing/scripted-client";
import { Composer } from "./composer";
import { useStaged } from "./staged";

const own = message(2, { mine: true, content: "teh sea" });

function setup(over: Partial<ConversationView> = {}) {
  const script = scriptedClient({ messages: [message(1, { mine: false }), own] });
  const window = script.client.messages.open("direct");
  function Part() {
    return <Composer conversation={conversation(over)} input={useRef(null)} staged={useStaged()} window={window} />;
  }
  const rendered = renderPart(<Part />, script, "direct");
  const named = (name: string) => script.calls.filter((call) => call.name === name);
  return { ...rendered, script, named, field: screen.queryByRole<HTMLTextAreaElement>("textbox", { name: "Message" }) };
}

describe("the composer", () => {
  it("sends with Enter, breaks the line with Shift+Enter", async () => {
    const { named, field } = setup();
    await userEvent.type(field!, "one{Shift>}{Enter}{/Shift}two{Enter}");
    expect(named("send")).toEqual([{ name: "send", args: ["direct", { content: "one\ntwo" }] }]);
    expect(field!.value).toBe("");
  });

  it("doesn't send nothing", async () => {
    const { named, field } = setup();
    await userEvent.type(field!, "   {Enter}");
    expect(named("send")).toEqual([]);
    expect(screen.getByRole<HTMLButtonElement>("button", { name: "Send" }).disabled).toBe(true);
  });

  it("begins with the draft, and keeps the next one", async () => {
    const { named, field } = setup({ draft: "I wanted" });
    expect(field!.value).toBe("I wanted");
    await userEvent.type(field!, " to say");
    await waitFor(() => {
      expect(named("setDraft").at(-1)?.args).toEqual(["direct", "I wanted to say"]);
    });
  });

  it("keeps a draft that is left before its pause is over", async () => {
    const { named, field, unmount } = setup();
    await userEvent.type(field!, "half");
    unmount();
    expect(named("setDraft").at(-1)?.args).toEqual(["direct", "half"]);
  });

  it("edits the last own message with the arrow up, and gives the draft back", async () => {
    const { named, field } = setup();
    await userEvent.type(field!, "{ArrowUp}");
    expect(field!.value).toBe("teh sea");
    await userEvent.clear(field!);
    await userEvent.type(field!, "the sea{Enter}");
    expect(named("edit")).toEqual([{ name: "edit", args: ["direct", own.id, "the sea"] }]);
    expect(named("send")).toEqual([]);
    await waitFor(() => {
      expect(field!.value).toBe("");
    });
  });

  it("answers the message it was told to, once", async () => {
    const { named, field, screen: store } = setup();
    store.getState().compose("direct", { mode: "reply", message: own });
    await userEvent.type(field!, "yes{Enter}no{Enter}");
    expect(named("send").map((call) => call.args[1])).toEqual([{ content: "yes", replyTo: own.id }, { content: "no" }]);
  });

  it("leaves a reply with Escape", async () => {
    const { field, screen: store } = setup();
    store.getState().compose("direct", { mode: "reply", message: own });
    await userEvent.type(field!, "{Escape}");
    expect(store.getState().composing["direct"]).toBeUndefined();
  });

  it("refuses more than a message holds", async () => {
    const { named, field } = setup();
    await userEvent.click(field!);
    await userEvent.paste("a".repeat(10_001));
    expect(screen.getByText("-1")).toBeTruthy();
    await userEvent.keyboard("{Enter}");
    expect(named("send")).toEqual([]);
  });

  it("takes chosen files, and sends the text with the first", async () => {
    const { named, field, container } = setup();
    const file = new File(["x"], "notes.pdf", { type: "application/pdf" });
    await userEvent.upload(container.querySelector<HTMLInputElement>("input[type=file]")!, [file, file]);
    expect(screen.getAllByText("notes.pdf")).toHaveLength(2);
    await userEvent.type(field!, "two files{Enter}");
    await waitFor(() => {
      expect(named("send")).toHaveLength(2);
    });
    expect(named("send").map((call) => call.args[1])).toMatchObject([
      { content: "two files", contentType: "file", media: file },
      { content: "", contentType: "file", media: file },
    ]);
  });

  it("is closed to those who left, and to a channel's readers", () => {
    expect(setup({ left: true }).field).toBeNull();
    expect(setup({ type: "channel", myRole: "member" }).field).toBeNull();
  });
});
