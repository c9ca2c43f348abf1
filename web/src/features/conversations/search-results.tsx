import { useEffect, useId, useMemo, useState, type RefObject } from "react";
import type { ConversationView, SearchHit, User } from "../../sync/api";
import { Avatar } from "../../ui/avatar";
import { Name } from "../../ui/name";
import { useClient, useLive, useScreen, useSelfId } from "../messenger/context";
import { sentence } from "../messenger/failure";
import { excerpt } from "./excerpt";
import { listTime } from "./wording";
import css from "./conversation-list.module.css";

type Row =
  | { kind: "conversation"; key: string; conversation: ConversationView }
  | { kind: "person"; key: string; user: User }
  | { kind: "message"; key: string; hit: SearchHit };

const headings = { conversation: "Conversations", person: "People", message: "Messages" };

type ResultsProps = { query: string; input: RefObject<HTMLInputElement | null>; onDone: () => void };

/** What the search field found. The focus stays in the field; its arrow keys move here. */
export function SearchResults({ query, input, onDone }: ResultsProps) {
  const client = useClient();
  const selfId = useSelfId();
  const all = useLive(client.conversations);
  const open = useScreen((screen) => screen.open);
  const say = useScreen((screen) => screen.say);
  const [found, setFound] = useState<{ query: string; people: User[]; messages: SearchHit[] }>({ query: "", people: [], messages: [] });
  const [active, setActive] = useState(0);
  const prefix = useId();

  useEffect(() => {
    let current = true;
    const stop = new AbortController();
    setActive(0);
    // Each half is shown as it comes: the cache answers without a network, people may not.
    const timer = setTimeout(() => {
      client.messages.searchCached(query, { limit: 40, signal: stop.signal }).then(
        (messages) => {
          if (current) setFound((now) => ({ ...now, query, messages }));
        },
        () => undefined,
      );
      client.users.search(query).then(
        (people) => {
          if (current) setFound((now) => ({ ...now, query, people }));
        },
        () => {
          if (current) setFound((now) => ({ ...now, query, people: [] }));
        },
      );
    }, 120);
    return () => {
      current = false;
      stop.abort();
      clearTimeout(timer);
    };
  }, [client, query]);

  const rows = useMemo<Row[]>(() => {
    const lower = query.toLowerCase();
    const conversations = all.filter((one) => one.title.toLowerCase().includes(lower) || one.peer?.username.startsWith(lower) === true);
    const known = new Set(all.flatMap((one) => (one.peer === undefined ? [] : [one.peer.userId])));
    return [
      ...conversations.slice(0, 8).map((conversation): Row => ({ kind: "conversation", key: conversation.id, conversation })),
      ...found.people
        .filter((user) => user.id !== selfId && !known.has(user.id))
        .map((user): Row => ({ kind: "person", key: user.id, user })),
      ...found.messages.map((hit): Row => ({ kind: "message", key: hit.message.key, hit })),
    ];
  }, [all, found, query, selfId]);

  useEffect(() => {
    const field = input.current;
    if (field === null) return;
    const chosen = rows[active];
    if (chosen === undefined) field.removeAttribute("aria-activedescendant");
    else field.setAttribute("aria-activedescendant", `${prefix}-${active}`);
    function onKey(event: KeyboardEvent) {
      if (event.isComposing) return;
      if (event.key === "ArrowDown") setActive((now) => Math.min(now + 1, rows.length - 1));
      else if (event.key === "ArrowUp") setActive((now) => Math.max(now - 1, 0));
      else if (event.key === "Enter" && chosen !== undefined) choose(chosen);
      else return;
      event.preventDefault();
    }
    field.addEventListener("keydown", onKey);
    return () => {
      field.removeEventListener("keydown", onKey);
      field.removeAttribute("aria-activedescendant");
    };
  });

  useEffect(() => {
    document.getElementById(`${prefix}-${active}`)?.scrollIntoView({ block: "nearest" });
  }, [active, prefix]);

  function choose(row: Row) {
    if (row.kind === "conversation") open(row.conversation.id);
    else if (row.kind === "message") open(row.hit.conversation.id, row.hit.message.id);
    else {
      client.conversations.createDirect(row.user.id).then(
        (made) => {
          open(made.id);
        },
        (error: unknown) => {
          say(sentence(error));
        },
      );
    }
    onDone();
  }

  if (rows.length === 0) {
    return (
      <p className={css.empty} id="search-results" role="status">
        {found.query === query ? "Nothing found." : "Searching…"}
      </p>
    );
  }
  return (
    <div className={css.scroller} id="search-results" role="listbox" aria-label="Search results">
      {rows.map((row, index) => (
        <div key={`${row.kind}-${row.key}`} role="presentation">
          {row.kind !== rows[index - 1]?.kind && (
            <div className={css.section} role="presentation">
              {headings[row.kind]}
            </div>
          )}
          {/* The field holds the focus and the keys. */}
          {/* eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus */}
          <div
            id={`${prefix}-${index}`}
            role="option"
            aria-selected={index === active}
            className={[css.hit, index === active ? css.hitActive : ""].join(" ")}
            onClick={() => {
              choose(row);
            }}
          >
            <Hit row={row} query={query} />
          </div>
        </div>
      ))}
    </div>
  );
}

function Hit({ row, query }: { row: Row; query: string }) {
  if (row.kind === "conversation") {
    const { conversation } = row;
    return (
      <>
        <Avatar
          id={conversation.peer?.userId ?? conversation.id}
          name={conversation.title}
          kind={conversation.type === "direct" ? "person" : conversation.type}
        />
        <Name className={css.name}>{conversation.title}</Name>
      </>
    );
  }
  if (row.kind === "person") {
    return (
      <>
        <Avatar id={row.user.id} name={row.user.displayName} />
        <span className={css.middle}>
          <span className={css.line}>
            <Name className={css.name}>{row.user.displayName}</Name>
          </span>
          <span className={css.preview}>@{row.user.username}</span>
        </span>
      </>
    );
  }
  const { message, conversation } = row.hit;
  const { before, match, after } = excerpt(message.content, query);
  return (
    <span className={css.middle}>
      <span className={css.line}>
        <Name className={css.name}>{conversation.title}</Name>
        <time className={css.time} dateTime={message.createdAt}>
          {listTime(message.createdAt, new Date())}
        </time>
      </span>
      <span className={css.line}>
        <bdi dir="auto" className={css.preview}>
          {before}
          <mark className={css.mark}>{match}</mark>
          {after}
        </bdi>
      </span>
    </span>
  );
}
