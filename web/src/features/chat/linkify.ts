export type Token = { kind: "text"; text: string } | { kind: "link"; text: string; href: string };

// Controls (\p{C}) are no part of an address: among them are the overrides that could show another address than the one opened.
const candidate = /\bhttps?:\/\/[^\s<>"'`\p{C}]+/giu;
const mostLinks = 50;

/** Cuts a message into plain text and links. Only what a URL parser calls http or https becomes a link. */
export function linkify(content: string): Token[] {
  const tokens: Token[] = [];
  let end = 0;
  let links = 0;
  for (const found of content.matchAll(candidate)) {
    if (links >= mostLinks) break;
    const text = withoutTail(found[0]);
    const href = safeHref(text);
    if (href === undefined) continue;
    if (found.index > end) tokens.push({ kind: "text", text: content.slice(end, found.index) });
    tokens.push({ kind: "link", text, href });
    end = found.index + text.length;
    links++;
  }
  if (end < content.length) tokens.push({ kind: "text", text: content.slice(end) });
  return tokens;
}

/** Without the punctuation that ends the sentence, and without a bracket that was opened before the address. */
function withoutTail(url: string): string {
  // Closing brackets that nothing in the address opened; counted once, for an address may be long and hostile.
  let round = count(url, ")") - count(url, "(");
  let square = count(url, "]") - count(url, "[");
  let end = url.length;
  for (; end > 0; end--) {
    const last = url.charAt(end - 1);
    if (last === ")" && round > 0) round--;
    else if (last === "]" && square > 0) square--;
    else if (!".,;:!?…*_".includes(last)) break;
  }
  return url.slice(0, end);
}

function count(text: string, letter: string): number {
  return text.split(letter).length - 1;
}

function safeHref(text: string): string | undefined {
  try {
    const url = new URL(text);
    // A name before the host serves only to make an address look like another's.
    if ((url.protocol !== "http:" && url.protocol !== "https:") || url.hostname === "" || url.username !== "" || url.password !== "")
      return undefined;
    return url.href;
  } catch {
    return undefined;
  }
}

const emojiOnly =
  /^(?:\p{Extended_Pictographic}(?:\ufe0f|\p{Emoji_Modifier})?(?:\u200d\p{Extended_Pictographic}(?:\ufe0f|\p{Emoji_Modifier})?)*|\p{Regional_Indicator}{2}|\s){1,12}$/u;

/** A few emoji and nothing else are shown large. */
export function isEmojiOnly(content: string): boolean {
  return content.length <= 40 && content.trim() !== "" && emojiOnly.test(content);
}
