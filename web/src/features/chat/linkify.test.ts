import { describe, expect, it } from "vitest";
import { isEmojiOnly, linkify } from "./linkify";

const links = (text: string) => linkify(text).flatMap((token) => (token.kind === "link" ? [token.text] : []));

describe("links", () => {
  it.each([
    ["see https://example.org.", ["https://example.org"]],
    ["(https://example.org/a_(b))", ["https://example.org/a_(b)"]],
    ["http://a.b/c?d=e&f=g#h, and https://x.y!", ["http://a.b/c?d=e&f=g#h", "https://x.y"]],
    ["HTTPS://EXAMPLE.ORG", ["HTTPS://EXAMPLE.ORG"]],
    ["https://example.org/путь", ["https://example.org/путь"]],
    ["[https://example.org]", ["https://example.org"]],
  ])("%s", (text, expected) => {
    expect(links(text)).toEqual(expected);
  });

  it.each([
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "ftp://example.org",
    "xhttps://example.org",
    "https://",
    "https://good.example@evil.example/",
    "//example.org",
  ])("makes none of %s", (text) => {
    expect(links(text)).toEqual([]);
  });

  it("ends a link at an override character", () => {
    expect(links("https://example.org/\u202Egnp.exe")).toEqual(["https://example.org/"]);
  });

  it("loses nothing of the text", () => {
    const text = "a https://x.y/z b\nhttp://q.r, (https://s.t) javascript:x \u202E end";
    expect(
      linkify(text)
        .map((token) => token.text)
        .join(""),
    ).toBe(text);
  });

  it("stays quick on hostile input", () => {
    const start = performance.now();
    linkify("https://" + "(".repeat(10_000) + ")".repeat(20_000));
    linkify("https://a.b/" + ".,".repeat(5_000));
    linkify("http://a ".repeat(2_000));
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});

describe("emoji only", () => {
  it.each(["🎉", "👍🏽", "👨‍👩‍👧", "🇳🇴 🇯🇵", "❤️❤️"])("%s is", (text) => {
    expect(isEmojiOnly(text)).toBe(true);
  });
  it.each(["", "  ", "1", "ok 🎉", "🎉".repeat(30), "©a"])("%s is not", (text) => {
    expect(isEmojiOnly(text)).toBe(false);
  });
});
