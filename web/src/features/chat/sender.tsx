import { useEffect, useState } from "react";
import type { Participant, UserId } from "../../sync/api";
import { Avatar } from "../../ui/avatar";
import { Name } from "../../ui/name";
import { useMediaSource } from "../media/source";
import { useClient } from "../messenger/context";

type Known = { displayName: string; avatarUrl?: string | undefined };

/** Who wrote something: a member, or, for those who left and in channels, whoever the server says. */
export function useSender(id: UserId, people: ReadonlyMap<UserId, Participant>): Known | undefined {
  const client = useClient();
  const member = people.get(id);
  const [found, setFound] = useState<{ id: UserId; known: Known }>();
  const missing = member === undefined;
  useEffect(() => {
    if (!missing) return;
    let current = true;
    client.users.get(id).then(
      (user) => {
        if (current) setFound({ id, known: user });
      },
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [client, id, missing]);
  return member ?? (found?.id === id ? found.known : undefined);
}

type SenderProps = { id: UserId; people: ReadonlyMap<UserId, Participant>; className?: string | undefined };

export function SenderName({ id, people, className }: SenderProps) {
  return <Name className={className}>{useSender(id, people)?.displayName ?? "…"}</Name>;
}

export function SenderAvatar({ id, people }: SenderProps) {
  const sender = useSender(id, people);
  const picture = useMediaSource(sender?.avatarUrl === undefined ? null : { path: sender.avatarUrl });
  return <Avatar id={id} name={sender?.displayName ?? ""} url={picture} size="s" />;
}
