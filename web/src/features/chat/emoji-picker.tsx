import { useMemo, useRef, useState, type KeyboardEvent } from "react";
import { emojiGroups, type Emoji } from "./emoji";
import css from "./emoji-picker.module.css";

/** A grid of emoji with a search field; arrows move, Enter takes the first one found. */
export default function EmojiPicker({ onChoose }: { onChoose: (emoji: string) => void }) {
  const [query, setQuery] = useState("");
  const grid = useRef<HTMLDivElement>(null);
  const groups = useMemo(() => {
    const words = query.trim().toLowerCase();
    if (words === "") return emojiGroups;
    const found = emojiGroups.flatMap((group) => group.emoji).filter(([, name]) => name.includes(words));
    return found.length === 0 ? [] : [{ name: "Found", emoji: found }];
  }, [query]);

  function onKeyDown(event: KeyboardEvent) {
    const all = [...(grid.current?.querySelectorAll<HTMLElement>("button") ?? [])];
    const now = all.indexOf(document.activeElement as HTMLElement);
    const first = all[0];
    const second = all.find((button) => first !== undefined && button.offsetTop > first.offsetTop);
    const columns = second === undefined ? all.length : all.indexOf(second);
    const forward = getComputedStyle(event.currentTarget).direction === "rtl" ? -1 : 1;
    const steps: Record<string, number> = { ArrowRight: forward, ArrowLeft: -forward, ArrowDown: columns, ArrowUp: -columns };
    const step = steps[event.key];
    if (step === undefined || (now < 0 && event.key !== "ArrowDown")) return;
    event.preventDefault();
    all[now < 0 ? 0 : Math.max(0, Math.min(all.length - 1, now + step))]?.focus();
  }

  return (
    // The keys move between the buttons inside; the box itself takes no focus.
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div className={css.picker} onKeyDown={onKeyDown}>
      <input
        type="search"
        className={css.search}
        placeholder="Search emoji"
        aria-label="Search emoji"
        data-autofocus=""
        value={query}
        onChange={(event) => {
          setQuery(event.target.value);
        }}
        onKeyDown={(event) => {
          const first = groups[0]?.emoji[0];
          if (event.key === "Enter" && query !== "" && first !== undefined) onChoose(first[0]);
        }}
      />
      <div ref={grid} className={css.groups}>
        {groups.map((group) => (
          <section key={group.name} aria-label={group.name}>
            <h3 className={css.name}>{group.name}</h3>
            <div className={css.grid}>
              {group.emoji.map(([emoji, name]: Emoji) => (
                <button
                  key={emoji}
                  type="button"
                  className={css.emoji}
                  aria-label={name}
                  title={name}
                  onClick={() => {
                    onChoose(emoji);
                  }}
                >
                  {emoji}
                </button>
              ))}
            </div>
          </section>
        ))}
        {groups.length === 0 && <p className={css.none}>No emoji of that name.</p>}
      </div>
    </div>
  );
}
