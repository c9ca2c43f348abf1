import { useEffect, useId, useMemo, useState, type KeyboardEvent } from "react";
import type { User, UserId } from "../../sync/api";
import { Avatar } from "../../ui/avatar";
import { Field } from "../../ui/field";
import { Icon } from "../../ui/icon";
import { Name } from "../../ui/name";
import { useClient, useLive, useSelfId } from "../messenger/context";
import css from "./people.module.css";

type PickerProps = {
  chosen: readonly User[];
  /** Nobody to offer: who is in already. */
  without?: readonly UserId[];
  multiple: boolean;
  onChoose: (user: User) => void;
};

const nobody: readonly UserId[] = [];

/** Finds people by name; those one has talked to come first. Arrows and Enter choose without leaving the field. */
export function PeoplePicker({ chosen, without = nobody, multiple, onChoose }: PickerProps) {
  const client = useClient();
  const selfId = useSelfId();
  const conversations = useLive(client.conversations);
  const [query, setQuery] = useState("");
  const [found, setFound] = useState<readonly User[]>([]);
  const [active, setActive] = useState(0);
  const list = useId();

  const known = useMemo(
    () =>
      conversations.flatMap((one): User[] =>
        one.peer === undefined
          ? []
          : [
              {
                id: one.peer.userId,
                username: one.peer.username,
                displayName: one.peer.displayName,
                ...(one.peer.avatarUrl === undefined ? {} : { avatarUrl: one.peer.avatarUrl }),
              },
            ],
      ),
    [conversations],
  );

  useEffect(() => {
    setActive(0);
    const words = query.trim();
    if (words === "") {
      setFound([]);
      return;
    }
    let current = true;
    const timer = setTimeout(() => {
      client.users.search(words).then(
        (users) => {
          if (current) setFound(users);
        },
        () => {
          if (current) setFound([]);
        },
      );
    }, 150);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [client, query]);

  const shown = useMemo(() => {
    const lower = query.trim().toLowerCase();
    const near = known.filter((user) => lower === "" || user.username.startsWith(lower) || user.displayName.toLowerCase().includes(lower));
    const ids = new Set([selfId, ...without]);
    const all: User[] = [];
    for (const user of [...near, ...found]) {
      if (ids.has(user.id)) continue;
      ids.add(user.id);
      all.push(user);
    }
    return all;
  }, [known, found, query, selfId, without]);

  function onKeyDown(event: KeyboardEvent) {
    if (event.nativeEvent.isComposing) return;
    const user = shown[active];
    if (event.key === "ArrowDown") setActive(Math.min(active + 1, shown.length - 1));
    else if (event.key === "ArrowUp") setActive(Math.max(active - 1, 0));
    else if (event.key === "Enter" && user !== undefined) onChoose(user);
    else return;
    event.preventDefault();
  }

  return (
    <div className={css.picker}>
      <Field
        label="People"
        type="search"
        role="combobox"
        placeholder="User name or display name"
        aria-expanded={shown.length > 0}
        aria-controls={list}
        aria-activedescendant={shown.length > 0 ? `${list}-${active}` : undefined}
        aria-autocomplete="list"
        autoCapitalize="none"
        dir="auto"
        data-autofocus=""
        value={query}
        onChange={(event) => {
          setQuery(event.target.value);
        }}
        onKeyDown={onKeyDown}
      />
      <div id={list} role="listbox" aria-label="People" aria-multiselectable={multiple} className={css.results}>
        {shown.map((user, index) => {
          const selected = chosen.some((one) => one.id === user.id);
          return (
            // The field holds the focus and the keys.
            // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
            <div
              key={user.id}
              id={`${list}-${index}`}
              role="option"
              aria-selected={selected}
              className={[css.person, index === active ? css.active : ""].join(" ")}
              onClick={() => {
                onChoose(user);
              }}
            >
              <Avatar id={user.id} name={user.displayName} />
              <span className={css.words}>
                <Name className={css.name}>{user.displayName}</Name>
                <span className={css.username}>@{user.username}</span>
              </span>
              {selected && <Icon name="check" />}
            </div>
          );
        })}
      </div>
      {shown.length === 0 && <p className={css.nobody}>{query.trim() === "" ? "Type a name to find people." : "Nobody of that name."}</p>}
    </div>
  );
}
