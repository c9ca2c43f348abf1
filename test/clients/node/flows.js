// The flows of the protocol, each against a server with no rate limits. Every one makes its own users.
'use strict';
const { Conn, rest, ok, ok2xx, register, external, direct, uuid7, equal, check, until } = require('./client.js');

// pair makes two users with a direct conversation, both online.
async function pair(open) {
  const [a, b] = await Promise.all([external('alice'), external('bob')]);
  const conv = await direct(a, b);
  const [alice, bob] = await Promise.all([Conn.online(a), Conn.online(b)]);
  open.push(alice, bob);
  return { a, b, conv: conv.id, alice, bob };
}

const flows = {};

flows['message, ack, delivered, read'] = async (open) => {
  const a = await register('alice'), b = await register('bob');
  const conv = (await direct(a, b)).id;
  equal((await direct(b, a)).id, conv, 'a direct conversation is made once');
  const alice = await Conn.online(a, { browser: true }), bob = await Conn.online(b);
  open.push(alice, bob);
  const text = 'Grüße 👋 "quoted" \\ \u0000 \u2028 👩‍👩‍👧‍👦 <b>&</b>\n';
  const sent = await alice.post(conv, text);
  check(/^[0-9A-HJKMNP-TV-Z]{13}$/.test(sent.id), `id ${sent.id}`);
  check(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(sent.createdAt), `createdAt ${sent.createdAt}`);
  const got = await bob.take(sent.id);
  equal(got.content, text, 'content');
  equal([got.conversationId, got.senderId, got.contentType, got.clientMessageId], [conv, a.id, 'text', sent.clientMessageId], 'message');
  check(got.eventId, 'no eventId');
  check(got.status === undefined, 'a recipient sees no status');
  const delivered = await alice.next('message_status', (s) => s.status === 'delivered');
  equal([delivered.conversationId, delivered.userId, delivered.messageId], [conv, b.id, sent.id], 'delivered');
  bob.send('read', { conversationId: conv, upToMessageId: sent.id });
  const read = await alice.next('message_status', (s) => s.status === 'read');
  equal([read.conversationId, read.userId, read.messageId], [conv, b.id, sent.id], 'read');
  const history = await ok(200, 'GET', `/conversations/${conv}/messages`, a.token);
  equal(history.messages.map((m) => [m.id, m.content, m.status]), [[sent.id, text, 'read']], 'history');
  equal(history.hasMore, false, 'hasMore');
  // The stored watermarks trail the live statuses a little.
  await until('receipts', async () => {
    const { receipts } = await ok(200, 'GET', `/conversations/${conv}/receipts`, a.token);
    const r = receipts.find((x) => x.userId === b.id);
    return r.deliveredTo === sent.id && r.readTo === sent.id;
  });
};

flows['a retry is the same message'] = async (open) => {
  const { a, b, conv, alice, bob } = await pair(open);
  const clientMessageId = uuid7();
  const first = await alice.post(conv, 'once', { clientMessageId });
  const again = await alice.post(conv, 'once', { clientMessageId, resend: true });
  equal(again.id, first.id, 'id of the retry');
  alice.send('message', { conversationId: conv, content: 'other', contentType: 'text', clientMessageId, resend: true });
  const e = await alice.next('error');
  equal([e.code, e.clientMessageId], ['VALIDATION_ERROR', clientMessageId], 'other content under the same key');
  const rested = await rest('POST', `/conversations/${conv}/messages`, a.token, { content: 'once', contentType: 'text', clientMessageId, resend: true });
  equal([rested.status, rested.body.id], [201, first.id], 'the same over REST');
  await bob.take(first.id);
  const history = await ok(200, 'GET', `/conversations/${conv}/messages`, b.token);
  equal(history.messages.length, 1, 'messages in history');
};

flows['typing and presence'] = async (open) => {
  const { b, conv, alice, bob, a } = await pair(open);
  alice.send('presence', { userIds: [b.id] });
  equal((await alice.next('presence', (p) => p.userId === b.id)).status, 'online', 'presence');
  bob.send('typing', { conversationId: conv });
  const on = await alice.next('typing');
  equal([on.conversationId, on.userId, on.username, on.isTyping], [conv, b.id, b.username, true], 'typing');
  equal((await alice.next('typing')).isTyping, false, 'the server announces the stop');
  const { presence } = await ok(200, 'GET', `/presence?userIds=${b.id},${uuid7()}`, a.token);
  equal(presence.map((p) => [p.userId, p.status]), [[b.id, 'online']], 'presence over REST');
  await bob.close();
  const off = await alice.next('presence', (p) => p.status === 'offline', 12_000);
  check(off.userId === b.id && off.lastSeen, 'offline');
};

flows['an offline queue of 1,000'] = async (open) => {
  const [a, b] = [await external('alice'), await external('bob')];
  const conv = (await direct(a, b)).id;
  const device = uuid7();
  const before = await Conn.online(b, { device });
  await before.close();
  const alice = await Conn.online(a);
  open.push(alice);
  const ids = [];
  for (let i = 0; i < 1000; i += 50) {
    const chunk = await Promise.all(Array.from({ length: 50 }, (_, k) => alice.post(conv, `message ${i + k}`)));
    ids.push(...chunk.map((m) => m.id));
  }
  check(ids.every((id, i) => i === 0 || ids[i - 1] < id), 'ids are in the order of sending');
  // Three batches, then the connection is lost; the rest comes with the next one.
  const first = await Conn.open(b, { device });
  open.push(first);
  equal(first.welcome.pending, true, 'pending');
  const some = await first.catchUp(3);
  equal(some.length, 150, 'three batches');
  await first.next('pending_messages'); // the fourth came: the third was acked
  await first.close();
  const second = await Conn.online(b, { device });
  open.push(second);
  // What was acked right before a connection ended may come once more: a client shows it once.
  const all = [...new Map([...some, ...second.caught].map((e) => [e.payload.id, e])).values()];
  equal(all.map((e) => e.payload.id), ids, 'every message, once, in order');
  equal(all.map((e) => e.payload.content), ids.map((_, i) => `message ${i}`), 'contents');
  await alice.next('message_status', (s) => s.status === 'delivered' && [s.messageId, ...(s.messageIds ?? [])].includes(ids[999]));
  await second.close();
  const third = await Conn.open(b, { device });
  open.push(third);
  equal(third.welcome.pending, false, 'pending when all is acked');
  equal((await third.catchUp()).length, 0, 'pending when all is acked');
  // Going back by cursor brings it again.
  await third.close();
  const back = await Conn.online(b, { device, cursor: some[99].eventId });
  open.push(back);
  equal(back.caught.length, 900, 'from the cursor on');
};

flows['a group of 256'] = async (open) => {
  const users = [];
  for (let i = 0; i < 256; i += 32) users.push(...await Promise.all(Array.from({ length: 32 }, (_, k) => external(`member${i + k}`))));
  const [admin, ...others] = users;
  const group = await ok(201, 'POST', '/conversations', admin.token, { type: 'group', name: 'All of us', participantIds: others.map((u) => u.id) });
  equal(group.participants.length, 256, 'participants');
  const one = await external('one too many');
  equal((await rest('POST', `/conversations/${group.id}/members`, admin.token, { userIds: [one.id] })).body.code, 'VALIDATION_ERROR', 'the 257th');
  const conns = [];
  for (let i = 0; i < 256; i += 32) conns.push(...await Promise.all(users.slice(i, i + 32).map((u) => Conn.online(u))));
  open.push(...conns);
  equal(conns[255].caught.filter((e) => e.type === 'conversation' && e.payload.conversationId === group.id).length, 1, 'the group is announced');
  const sent = await conns[0].post(group.id, 'hello, everyone');
  const got = await Promise.all(conns.slice(1).map((c) => c.take(sent.id)));
  check(got.every((m) => m.content === 'hello, everyone'), 'content');
  const seen = new Set();
  while (seen.size < 255) seen.add((await conns[0].next('message_status', (s) => s.status === 'delivered')).userId);
  for (const c of conns.slice(1)) c.send('read', { conversationId: group.id, upToMessageId: sent.id });
  seen.clear();
  while (seen.size < 255) seen.add((await conns[0].next('message_status', (s) => s.status === 'read')).userId);
  const mine = await ok(200, 'GET', `/conversations/${group.id}/messages/${sent.id}`, admin.token);
  equal(mine.status, 'read', 'the lowest status over the members');
};

flows['membership'] = async (open) => {
  const { a, b, alice, bob } = await pair(open);
  const c = await external('carol');
  const carol = await Conn.online(c);
  open.push(carol);
  const group = (await ok(201, 'POST', '/conversations', a.token, { type: 'group', name: 'Team', participantIds: [b.id] })).id;
  equal((await bob.next('conversation', (x) => x.conversationId === group)).change, 'created', 'change');
  const early = await alice.post(group, 'before carol');
  const refusal = async (conn, id) => {
    const clientMessageId = uuid7();
    conn.send('message', { conversationId: id, content: 'x', contentType: 'text', clientMessageId });
    const e = await conn.next('error', (x) => x.clientMessageId === clientMessageId);
    return e.code;
  };
  equal(await refusal(carol, group), 'FORBIDDEN', 'a stranger');
  equal(await refusal(carol, uuid7()), 'FORBIDDEN', 'no such conversation');
  equal((await rest('GET', `/conversations/${group}/messages`, c.token)).status, 403, 'history for a stranger');
  equal((await rest('POST', `/conversations/${group}/members`, b.token, { userIds: [c.id] })).status, 403, 'only admins add');
  await ok2xx('POST', `/conversations/${group}/members`, a.token, { userIds: [c.id] });
  equal((await carol.next('conversation', (x) => x.conversationId === group)).change, 'member_added', 'change');
  const later = await alice.post(group, 'after carol');
  await carol.take(later.id);
  const history = await ok(200, 'GET', `/conversations/${group}/messages`, c.token);
  equal(history.messages.map((m) => m.id), [later.id], 'nothing from before the join');
  equal((await rest('GET', `/conversations/${group}/messages/${early.id}`, c.token)).status >= 403, true, 'not by its id either');
  await ok2xx('PATCH', `/conversations/${group}`, a.token, { name: 'New name' });
  equal((await bob.next('conversation', (x) => x.change === 'renamed')).name, 'New name', 'renamed');
  await ok2xx('DELETE', `/conversations/${group}/members/${c.id}`, a.token);
  await carol.next('conversation', (x) => x.change === 'member_removed' && x.userId === c.id);
  const last = await alice.post(group, 'without carol');
  await bob.take(last.id);
  await carol.nothing('message', (m) => m.id === last.id);
  equal(await refusal(carol, group), 'FORBIDDEN', 'a removed member');
  await ok2xx('DELETE', `/conversations/${group}/members/${a.id}`, a.token); // the last admin leaves
  const roles = (await ok(200, 'GET', `/conversations/${group}`, b.token)).participants.map((p) => [p.userId, p.role]);
  equal(roles, [[b.id, 'admin']], 'the longest-standing member is promoted');
};

flows['two devices a user'] = async (open) => {
  const { a, b, conv, alice, bob } = await pair(open);
  const laptop = await Conn.online(a), tablet = await Conn.online(b);
  open.push(laptop, tablet);
  const sent = await alice.post(conv, 'to both');
  equal((await laptop.next('message', (m) => m.id === sent.id)).status, 'sent', "the sender's other device");
  laptop.send('ack', { messageId: sent.id });
  await Promise.all([bob.take(sent.id), tablet.take(sent.id)]);
  await Promise.all([alice, laptop].map((c) => c.next('message_status', (s) => s.messageId === sent.id && s.status === 'delivered')));
  // One device is away: it gets what the other has long had.
  await tablet.close();
  const missed = await alice.post(conv, 'while the tablet is away');
  await bob.take(missed.id);
  const again = await Conn.online(b, { device: tablet.device });
  open.push(again);
  equal(again.caught.filter((e) => e.type === 'message').map((e) => e.payload.id), [missed.id], 'pending of the tablet');
  // The same device twice: the older connection goes, at once.
  const started = Date.now();
  const newer = await Conn.open(b, { device: tablet.device });
  open.push(newer);
  equal(await again.closed, 4001, 'close code');
  check(Date.now() - started < 500, `replaced after ${Date.now() - started} ms`);
  await newer.catchUp();
  const live = await alice.post(conv, 'to the newer');
  await newer.take(live.id);
};

flows['edits, deletes, reactions, replies'] = async (open) => {
  const { a, b, conv, alice, bob } = await pair(open);
  const m = await alice.post(conv, 'frist');
  await bob.take(m.id);
  const reply = await bob.post(conv, 'you mean first', { replyToId: m.id });
  check(reply.id > m.id, 'a reply sorts after its parent');
  equal((await alice.take(reply.id)).replyToId, m.id, 'replyToId');
  alice.send('edit', { conversationId: conv, messageId: m.id, content: 'first' });
  for (const c of [alice, bob]) {
    const e = await c.next('message_edited', (x) => x.messageId === m.id);
    equal(e.content, 'first', 'edited');
    check(e.editedAt, 'editedAt');
    if (e.eventId) c.send('ack', { eventIds: [e.eventId] });
  }
  bob.send('edit', { conversationId: conv, messageId: m.id, content: 'mine' });
  equal((await bob.next('error', (e) => e.messageId === m.id)).code, 'FORBIDDEN', "another's message");
  for (const emoji of ['👍', '🏳️‍🌈', '']) {
    bob.send('react', { conversationId: conv, messageId: m.id, emoji });
    for (const c of [alice, bob]) {
      const r = await c.next('reaction', (x) => x.messageId === m.id);
      equal([r.userId, r.emoji], [b.id, emoji], 'reaction');
      if (r.eventId) c.send('ack', { eventIds: [r.eventId] });
    }
    const now = await ok(200, 'GET', `/conversations/${conv}/messages/${m.id}`, a.token);
    equal(now.reactions ?? [], emoji ? [{ userId: b.id, emoji }] : [], 'reactions');
  }
  alice.send('delete', { conversationId: conv, messageId: m.id });
  for (const c of [alice, bob]) {
    const d = await c.next('message_deleted', (x) => x.messageId === m.id);
    if (d.eventId) c.send('ack', { eventIds: [d.eventId] });
  }
  const { messages } = await ok(200, 'GET', `/conversations/${conv}/messages`, b.token);
  equal(messages.map((x) => [x.id, x.deleted ?? false, x.content]), [[m.id, true, ''], [reply.id, false, 'you mean first']], 'history');
  alice.send('edit', { conversationId: conv, messageId: m.id, content: 'risen' });
  const e = await alice.next('error', (x) => x.messageId === m.id);
  check(['NOT_FOUND', 'FORBIDDEN', 'VALIDATION_ERROR', 'CONFLICT'].includes(e.code), `deleted beats edits: ${e.code}`);
  // A device that was away gets all of it with the log.
  await bob.close();
  const n = await alice.post(conv, 'v1');
  alice.send('edit', { conversationId: conv, messageId: n.id, content: 'v2' });
  await alice.next('message_edited', (x) => x.messageId === n.id);
  alice.send('react', { conversationId: conv, messageId: n.id, emoji: '🎉' });
  await alice.next('reaction', (x) => x.messageId === n.id);
  const back = await Conn.online(b, { device: bob.device });
  open.push(back);
  const log = back.caught.filter((x) => x.payload.id === n.id || x.payload.messageId === n.id);
  equal(log.map((x) => x.type), ['message', 'message_edited', 'reaction'], 'the log');
  equal(log[1].payload.content, 'v2', 'the edit in the log');
};

Object.assign(flows, require('./flows_more.js'));
module.exports = flows;
