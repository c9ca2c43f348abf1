import { useDeferredValue, useEffect, useMemo, useRef, useState } from "react";
import { Avatar } from "../../ui/avatar";
import { IconButton } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { later } from "../../ui/later";
import { Menu, type MenuItem } from "../../ui/menu";
import { useClient, useLive, useScreen } from "../messenger/context";
import { useMediaSource } from "../media/source";
import { ConversationList } from "./conversation-list";
import css from "./list-pane.module.css";

const SearchResults = later(async () => ({ default: (await import("./search-results")).SearchResults }));

/** The left pane: who I am, search, and the conversations. */
export function ListPane() {
  const client = useClient();
  const { user } = useLive(client.session);
  const all = useLive(client.conversations);
  const show = useScreen((screen) => screen.show);
  const searchFocus = useScreen((screen) => screen.searchFocus);
  const [archive, setArchive] = useState(false);
  const [query, setQuery] = useState("");
  const search = useDeferredValue(query.trim());
  const [menu, setMenu] = useState<{ x: number; y: number; items: MenuItem[] }>();
  const input = useRef<HTMLInputElement>(null);
  const avatar = useMediaSource(user?.avatarUrl === undefined ? null : { path: user.avatarUrl });

  const shown = useMemo(() => all.filter((one) => one.archived === archive), [all, archive]);
  const archived = useMemo(() => all.reduce((count, one) => count + (one.archived ? 1 : 0), 0), [all]);

  useEffect(() => {
    if (searchFocus > 0) input.current?.focus();
  }, [searchFocus]);

  function startNew(target: HTMLElement) {
    const box = target.getBoundingClientRect();
    setMenu({
      x: box.left,
      y: box.bottom + 4,
      items: [
        {
          label: "New chat",
          icon: "person",
          onSelect: () => {
            show({ kind: "new", page: "person" });
          },
        },
        {
          label: "New group",
          icon: "people",
          onSelect: () => {
            show({ kind: "new", page: "group" });
          },
        },
        {
          label: "New channel",
          icon: "channel",
          onSelect: () => {
            show({ kind: "new", page: "channel" });
          },
        },
      ],
    });
  }

  return (
    <nav className={css.pane} aria-label="Conversations">
      <header className={css.head}>
        <button
          type="button"
          className={css.self}
          aria-label="Profile and settings"
          title="Profile and settings"
          onClick={() => {
            show({ kind: "settings", page: "profile" });
          }}
        >
          <Avatar id={user?.id ?? ""} name={user?.displayName ?? ""} url={avatar} />
        </button>
        <h2 className={css.title}>{archive ? "Archive" : "Chats"}</h2>
        <IconButton
          icon="plus"
          label="New conversation"
          aria-haspopup="menu"
          onClick={(event) => {
            startNew(event.currentTarget);
          }}
        />
      </header>
      <div className={css.search}>
        <Icon name="search" size={18} />
        <input
          ref={input}
          type="search"
          role="combobox"
          className={css.input}
          placeholder="Search people and messages"
          aria-label="Search people and messages"
          aria-expanded={search !== ""}
          aria-controls="search-results"
          aria-autocomplete="list"
          aria-keyshortcuts="Control+K"
          dir="auto"
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
          }}
          onKeyDown={(event) => {
            if (event.key === "Escape" && query !== "") {
              event.stopPropagation();
              setQuery("");
            }
          }}
        />
      </div>
      {search !== "" ? (
        <SearchResults
          query={search}
          input={input}
          onDone={() => {
            setQuery("");
          }}
        />
      ) : (
        <>
          {(archive || archived > 0) && (
            <button
              type="button"
              className={css.fold}
              onClick={() => {
                setArchive(!archive);
              }}
            >
              <Icon name={archive ? "back" : "archive"} size={20} />
              {archive ? "Back to chats" : `Archive (${archived})`}
            </button>
          )}
          <ConversationList conversations={shown} loaded={client.conversations.loaded()} archive={archive} />
        </>
      )}
      {menu !== undefined && (
        <Menu
          label="New conversation"
          items={menu.items}
          at={menu}
          onClose={() => {
            setMenu(undefined);
          }}
        />
      )}
    </nav>
  );
}
