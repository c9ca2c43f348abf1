import { useState } from "react";
import { Icon } from "./icon";
import css from "./avatar.module.css";

type AvatarProps = {
  /** What the colour is taken from, so that a person keeps theirs when they change their name. */
  id: string;
  name: string;
  url?: string | undefined;
  kind?: "person" | "group" | "channel";
  size?: "s" | "m" | "l" | "xl";
  online?: boolean | undefined;
};

const hues = 8;

function hueOf(id: string): number {
  let hash = 7;
  for (let i = 0; i < id.length; i++) hash = (hash * 31 + id.charCodeAt(i)) >>> 0;
  return hash % hues;
}

/** The first letters of up to two words; a letter is a grapheme's base, so that stacked marks don't make a tower. */
export function initials(name: string): string {
  const words = name
    .slice(0, 100)
    .normalize("NFC")
    .replace(/[\p{M}\p{C}]/gu, "")
    .split(/[\s._-]+/u)
    .map((word) => /[\p{L}\p{N}]/u.exec(word)?.[0] ?? "")
    .filter(Boolean);
  const first = words[0] ?? "";
  const last = words.length > 1 ? (words[words.length - 1] ?? "") : "";
  return (first + last).toUpperCase();
}

export function Avatar({ id, name, url, kind = "person", size = "m", online }: AvatarProps) {
  const [broken, setBroken] = useState<string>();
  const letters = initials(name);
  return (
    <span
      className={[css["avatar"], css[size], css[`hue${hueOf(id)}`], kind === "person" ? undefined : css["square"]]
        .filter(Boolean)
        .join(" ")}
      aria-hidden="true"
    >
      {url !== undefined && url !== broken ? (
        <img
          src={url}
          alt=""
          className={css["picture"]}
          onError={() => {
            setBroken(url);
          }}
          draggable={false}
        />
      ) : kind === "channel" ? (
        <Icon name="channel" />
      ) : letters === "" ? (
        <Icon name={kind === "group" ? "people" : "person"} />
      ) : (
        <span className={css["letters"]}>{letters}</span>
      )}
      {online === true && <span className={css["dot"]} />}
    </span>
  );
}
