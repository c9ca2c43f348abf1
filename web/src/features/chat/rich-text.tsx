import { useMemo, useState } from "react";
import { isEmojiOnly, linkify } from "./linkify";
import css from "./message.module.css";

const longest = 1_200;
const mostLines = 24;

/**
 * A message's text: its own paragraph, so that its direction and its override characters end with it; links made of tokens,
 * never of HTML; folded when it is very long.
 */
export function RichText({ content, edited }: { content: string; edited: boolean }) {
  const [open, setOpen] = useState(false);
  const short = useMemo(() => fold(content), [content]);
  const shown = open ? content : short;
  const tokens = useMemo(() => linkify(shown), [shown]);
  return (
    <>
      <p dir="auto" className={[css.text, isEmojiOnly(content) && !edited ? css.large : ""].join(" ")}>
        {tokens.map((token, index) =>
          token.kind === "text" ? (
            token.text
          ) : (
            <a key={index} href={token.href} target="_blank" rel="noopener noreferrer nofollow" className={css.link}>
              {token.text}
            </a>
          ),
        )}
        {shown.length < content.length && "…"}
      </p>
      {short.length < content.length && (
        <button
          type="button"
          className={css.unfold}
          aria-expanded={open}
          onClick={() => {
            setOpen(!open);
          }}
        >
          {open ? "Show less" : "Show all"}
        </button>
      )}
    </>
  );
}

export function fold(content: string): string {
  let end = Math.min(content.length, longest);
  let line = -1;
  for (let n = 0; n < mostLines; n++) {
    line = content.indexOf("\n", line + 1);
    if (line < 0) break;
  }
  if (line >= 0) end = Math.min(end, line);
  // A little over the limit isn't worth a button.
  if (content.length - end < 120 && line < 0) return content;
  // Never between the halves of a surrogate pair.
  const code = content.charCodeAt(end - 1);
  if (code >= 0xd800 && code <= 0xdbff) end--;
  return content.slice(0, end);
}
