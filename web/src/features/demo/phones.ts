import { createClient } from "../../sync";
import type { ConversationId, MurreClient } from "../../sync/api";
import type { Side } from "./trace";

/** The demo logins, which `murre serve --demo` makes. Their password is public: that is why it serves its own machine only. */
const logins: Record<Side, string> = { left: "alice", right: "bob" };
const password = "demo-password";

export interface Phone {
  side: Side;
  username: string;
  client: MurreClient;
}

export interface Phones {
  left: Phone;
  right: Phone;
  /** The direct conversation of the two. */
  conversation: ConversationId;
}

/** Makes the two clients. Each has a storage and a token of its own: a page has one cookie only, and they are two users. */
export function makePhones(): Record<Side, Phone> {
  const make = (side: Side): Phone => ({
    side,
    username: logins[side],
    client: createClient({ storage: `murre-demo-${logins[side]}`, auth: "token" }),
  });
  return { left: make("left"), right: make("right") };
}

/** Signs both in, unless they still are, and opens their conversation. */
export async function signIn(phones: Record<Side, Phone>): Promise<Phones> {
  const { left, right } = phones;
  await Promise.all([left, right].map(enter));
  const other = right.client.session.get().user;
  if (other === null) throw new Error(`${right.username} could not sign in`);
  const { id } = await left.client.conversations.createDirect(other.id);
  return { left, right, conversation: id };
}

async function enter({ client, username }: Phone): Promise<void> {
  await client.ready;
  if (client.session.get().state !== "signed-in") await client.session.login(username, password);
}
