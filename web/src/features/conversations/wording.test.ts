import { describe, expect, it } from "vitest";
import { conversation, message } from "../testing/scripted-client";
import { excerpt } from "./excerpt";
import { isolate, presenceLine, preview, previewAuthor, typingLine } from "./wording";

const plain = (text: string) => text.replace(/[\u2068\u2069]/g, "");

describe("wording", () => {
  it("names who types", () => {
    expect(plain(typingLine(["Ada"], false))).toBe("Ada is typing");
    expect(plain(typingLine(["Ada", "Kei"], false))).toBe("Ada, Kei are typing");
    expect(plain(typingLine(["A", "B", "C", "D"], false))).toBe("A, B and 2 more are typing");
    expect(typingLine(["Ada"], true)).toBe("typing…");
    expect(typingLine([], false)).toBe("");
  });

  it("holds a name's direction inside it", () => {
    const hostile = "\u202Eevil\u2069\u202E";
    expect(isolate(hostile)).toBe("\u2068evil\u2069");
  });

  it("previews what has no text", () => {
    const of = (over: Parameters<typeof message>[1]) => preview(message(1, over));
    expect(of({ content: "a\n\nb" })).toBe("a b");
    expect(of({ content: "secret", deleted: true })).toBe("Message deleted");
    expect(of({ content: "", contentType: "image" })).toBe("Photo");
    expect(of({ content: "", contentType: "file", media: { id: "m", contentType: "a/b", size: 1, name: "x.pdf", url: "" } })).toBe("x.pdf");
    expect(of({ content: "x".repeat(10_000) }).length).toBe(200);
  });

  it("names the author only where there is a doubt", () => {
    expect(previewAuthor(conversation(), message(1, { mine: false }))).toBe("");
    expect(previewAuthor(conversation({ type: "group" }), message(1, { mine: false }))).toBe("Jonas Vik");
    expect(previewAuthor(conversation({ type: "group" }), message(1, { mine: true }))).toBe("You");
  });

  it("tells when somebody was last seen", () => {
    const now = new Date(2026, 5, 10, 15, 0);
    const seen = (minutes: number) => presenceLine({ status: "offline", lastSeen: new Date(now.getTime() - minutes * 60_000).toISOString() }, now);
    expect(presenceLine(undefined, now)).toBe("");
    expect(presenceLine({ status: "online" }, now)).toBe("online");
    expect(presenceLine({ status: "offline" }, now)).toBe("offline");
    expect(seen(0.5)).toBe("last seen just now");
    expect(seen(5)).toBe("last seen 5 minutes ago");
    expect(seen(125)).toMatch(/^last seen today at /);
    expect(seen(60 * 24 * 3)).toMatch(/^last seen Sun at /);
  });

  it("cuts a search hit so that the match is seen", () => {
    const { before, match, after } = excerpt(`${"word ".repeat(50)}Needle and more`, "needle");
    expect(match).toBe("Needle");
    expect(before.length).toBeLessThan(30);
    expect(after).toBe(" and more");
  });
});
