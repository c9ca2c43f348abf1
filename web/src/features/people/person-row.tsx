import type { ReactNode } from "react";
import { Avatar } from "../../ui/avatar";
import { Name } from "../../ui/name";
import { useMediaSource } from "../media/source";
import css from "./people.module.css";

interface PersonRowProps {
  id: string;
  name: string;
  /** Under the name. */
  line?: string;
  avatarUrl?: string | undefined;
  self?: boolean;
  /** What stands at the end of the row. */
  children?: ReactNode;
}

/** One person in a list of some. */
export function PersonRow({ id, name, line, avatarUrl, self = false, children }: PersonRowProps) {
  const picture = useMediaSource(avatarUrl === undefined ? null : { path: avatarUrl });
  return (
    <li className={css.member}>
      <Avatar id={id} name={name} url={picture} />
      <span className={css.words}>
        <span className={css.name}>
          <Name>{name}</Name>
          {self && " (you)"}
        </span>
        {line !== undefined && <span className={css.username}>{line}</span>}
      </span>
      {children}
    </li>
  );
}
