// Media, revocation, what is refused.
'use strict';
const { Conn, rest, ok, ok2xx, register, external, direct, uuid7, equal, check } = require('./client.js');

const flows = {};

// A PNG of 2 by 1 pixels.
const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAADUlEQVR4nGP4zwAE/wEHAAH/4iOeWQAAAABJRU5ErkJggg==', 'base64');

async function upload(user, conversationId, bytes, contentType, name) {
  const m = await ok(201, 'POST', '/media', user.token, { contentType, size: bytes.length, name, conversationId });
  const target = m.upload.url.startsWith('/') ? process.env.MURRE_URL + m.upload.url : m.upload.url;
  const put = await rest(m.upload.method, target, user.token, bytes, { 'content-type': contentType, ...m.upload.headers });
  check(put.status >= 200 && put.status < 300, `upload: ${put.status} ${JSON.stringify(put.body)}`);
  const done = await rest('POST', `/media/${m.id}/complete`, user.token);
  check(done.status === 200 || done.status === 201, `complete: ${done.status} ${JSON.stringify(done.body)}`);
  equal(done.body.id, m.id, 'media id');
  return done.body;
}

flows['media up and down, with ranges'] = async (open) => {
  const [a, b, c] = await Promise.all(['alice', 'bob', 'carol'].map(external));
  const conv = (await direct(a, b)).id;
  const [alice, bob] = await Promise.all([Conn.online(a), Conn.online(b)]);
  open.push(alice, bob);
  const bytes = Buffer.alloc(3_000_000);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  bytes.set([0, 1, 2, 3]); // like no picture's beginning
  const blob = await upload(a, conv, bytes, 'application/octet-stream', 'blob.bin');
  equal([blob.size, blob.name, blob.contentType], [bytes.length, 'blob.bin', 'application/octet-stream'], 'media');
  const sent = await alice.post(conv, '', { contentType: 'file', mediaId: blob.id });
  const got = await bob.take(sent.id);
  equal([got.content, got.contentType, got.media?.id, got.media?.size], ['', 'file', blob.id, bytes.length], 'message');
  const whole = await rest('GET', got.media.url, b.token);
  check(whole.status === 200 && bytes.equals(whole.body), `download: ${whole.status}, ${whole.body.length} bytes`);
  equal(whole.headers.get('x-content-type-options'), 'nosniff', 'nosniff');
  check(/^attachment/.test(whole.headers.get('content-disposition') ?? ''), 'a file is an attachment');
  const part = await rest('GET', got.media.url, b.token, undefined, { range: 'bytes=1000000-1000099' });
  check(part.status === 206 && bytes.subarray(1_000_000, 1_000_100).equals(part.body), `range: ${part.status}, ${part.body.length} bytes`);
  equal(part.headers.get('content-range'), `bytes 1000000-1000099/${bytes.length}`, 'content-range');
  equal((await rest('GET', got.media.url, b.token, undefined, { range: `bytes=${bytes.length}-` })).status, 416, 'a range behind the end');
  equal((await rest('GET', got.media.url, c.token)).status, 403, 'a stranger');
  equal((await rest('GET', got.media.url)).status, 401, 'nobody');
  const picture = await upload(a, conv, png, 'image/png', 'dot.png');
  equal([picture.width, picture.height], [2, 1], 'size of the picture');
  const shown = await rest('GET', picture.url, b.token);
  check(shown.status === 200 && png.equals(shown.body), 'picture');
  check(!/^attachment/.test(shown.headers.get('content-disposition') ?? ''), 'a picture is shown inline');
  equal((await rest('GET', `/media/${uuid7()}`, b.token)).status >= 403, true, 'no such media');
};

flows['a large upload in parts'] = async (open) => {
  const [a, b] = await Promise.all([external('alice'), external('bob')]);
  const conv = (await direct(a, b)).id;
  const bytes = Buffer.alloc(12 << 20, 'murre');
  const m = await ok(201, 'POST', '/media', a.token, { contentType: 'application/octet-stream', size: bytes.length, name: 'large.bin', conversationId: conv });
  const part = async (from, to) => {
    const r = await rest(m.upload.method, m.upload.url, a.token, bytes.subarray(from, to), { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` });
    return r.status;
  };
  check(await part(0, 8 << 20) < 300, 'the first part');
  equal((await rest('POST', `/media/${m.id}/complete`, a.token)).status >= 400, true, 'it is not complete');
  const reached = Number((await rest('HEAD', m.upload.url, a.token)).headers.get('upload-offset'));
  equal(reached, 8 << 20, 'what the server has');
  check(await part(reached, bytes.length) < 300, 'the second part');
  equal((await ok(200, 'POST', `/media/${m.id}/complete`, a.token)).size, bytes.length, 'size');
  check(bytes.equals((await rest('GET', `/media/${m.id}`, b.token)).body), 'download');
};

flows['signing out closes the socket with 4002'] = async (open) => {
  const a = await register('alice');
  const { token } = await ok(200, 'POST', '/auth/login', null, { username: a.username, password: 'correct horse battery' });
  equal((await rest('POST', '/auth/login', null, { username: a.username, password: 'wrong horse battery' })).body.code, 'UNAUTHENTICATED', 'a wrong password');
  const first = await Conn.online(a), second = await Conn.online({ ...a, token });
  open.push(first, second);
  let started = Date.now();
  await ok2xx('POST', '/auth/logout', token);
  equal(await within(second.closed, 5000), 4002, 'close code of the session signed out');
  check(Date.now() - started < 5000, 'in 5 s');
  equal((await rest('GET', '/me', token)).status, 401, 'the token is dead');
  await first.nothing('error'); // the other session lives
  const third = await Conn.online(a);
  open.push(third);
  await ok2xx('DELETE', `/me/devices/${third.device}`, a.token);
  equal(await within(third.closed, 5000), 4002, 'close code of a removed device');
  started = Date.now();
  const { sessions } = await ok(200, 'GET', '/me/sessions', a.token);
  equal(sessions.length, 1, 'sessions');
  await ok2xx('DELETE', '/me/sessions', a.token);
  equal(await within(first.closed, 5000), 4002, 'close code of all sessions revoked');
  const refused = await Conn.open(a).then(() => null, (e) => e.status);
  equal(refused, 401, 'a dead token connects no more');
};

function within(promise, ms) {
  let timer;
  return Promise.race([promise, new Promise((_, no) => { timer = setTimeout(() => no(new Error(`not within ${ms} ms`)), ms); })])
    .finally(() => clearTimeout(timer));
}

flows['bad frames get errors and leave no trace'] = async (open) => {
  const [a, b] = await Promise.all([external('alice'), external('bob')]);
  const conv = (await direct(a, b)).id;
  const clientMessageId = uuid7();
  const good = { conversationId: conv, content: 'x', contentType: 'text', clientMessageId };
  const without = (k) => { const { [k]: _, ...rest } = good; return rest; };
  const frame = (payload) => JSON.stringify({ type: 'message', payload });
  const cases = [
    ['not JSON', '{', 'INVALID_JSON'],
    ['a word', 'hello', 'INVALID_JSON'],
    ['10,000 levels', `{"type":"ping","x":${'['.repeat(10000)}${']'.repeat(10000)}}`, 'INVALID_JSON'],
    ['a list', '[]', 'VALIDATION_ERROR', /./],
    ['no type', '{"payload":{}}', 'VALIDATION_ERROR', /^type$/],
    ['an unknown type', '{"type":"shout","payload":{}}', 'VALIDATION_ERROR', /^type$/],
    ['no payload', '{"type":"message"}', 'VALIDATION_ERROR', /^payload$/],
    ['no content', frame(without('content')), 'VALIDATION_ERROR', /content$/, true],
    ['empty content', frame({ ...good, content: '' }), 'VALIDATION_ERROR', /content$/, true],
    ['10,001 characters', frame({ ...good, content: 'é'.repeat(10001) }), 'VALIDATION_ERROR', /content$/, true],
    ['half a surrogate pair', frame(good).replace('"x"', '"\\ud83d"'), 'VALIDATION_ERROR', /content$/, true],
    ['content twice', frame(good).replace('"content":"x"', '"content":"x","content":"y"'), 'VALIDATION_ERROR', /content$/, true],
    ['no conversation', frame(without('conversationId')), 'VALIDATION_ERROR', /conversationId$/, true],
    ['a malformed conversation', frame({ ...good, conversationId: 'general' }), 'VALIDATION_ERROR', /conversationId$/, true],
    ['no clientMessageId', frame(without('clientMessageId')), 'VALIDATION_ERROR', /clientMessageId$/],
    ['a malformed clientMessageId', frame({ ...good, clientMessageId: '7' }), 'VALIDATION_ERROR', /clientMessageId$/],
    ['an unknown contentType', frame({ ...good, contentType: 'hologram' }), 'VALIDATION_ERROR', /contentType$/, true],
    ['an unknown media', frame({ ...good, contentType: 'file', mediaId: uuid7() }), /VALIDATION_ERROR|NOT_FOUND|FORBIDDEN/, undefined, true],
    ['a reply to nothing', frame({ ...good, replyToId: '0000000000001' }), /VALIDATION_ERROR|NOT_FOUND/, undefined, true],
    ['501 acks', JSON.stringify({ type: 'ack', payload: { messageIds: Array(501).fill('01BGV8TVQC501') } }), 'VALIDATION_ERROR', /messageIds$/],
    ['101 presences', JSON.stringify({ type: 'presence', payload: { userIds: Array(101).fill(b.id) } }), 'VALIDATION_ERROR', /userIds$/],
  ];
  // A fresh connection for every ten: 20 malformed frames in a minute would close one.
  let alice;
  for (const [i, [what, text, code, field, about]] of cases.entries()) {
    if (i % 10 === 0) open.push(alice = await Conn.online(a));
    alice.raw(text);
    const e = await alice.next('error').catch((err) => { throw new Error(`${what}: ${err.message}`); });
    check(code instanceof RegExp ? code.test(e.code) : e.code === code, `${what}: ${JSON.stringify(e)}, want ${code}`);
    check(!field || field.test(e.field ?? ''), `${what}: ${JSON.stringify(e)} doesn't name the field`);
    check(!about || e.clientMessageId === clientMessageId, `${what}: ${JSON.stringify(e)} doesn't name the clientMessageId`);
    check(e.message, `${what}: no message`);
  }
  const { messages } = await ok(200, 'GET', `/conversations/${conv}/messages`, a.token);
  equal(messages, [], 'history after what was refused');
  const bob = await Conn.online(b);
  open.push(bob);
  equal(bob.caught.filter((x) => x.type === 'message'), [], 'pending after what was refused');
  // What is odd but right gets through: unknown fields, type behind payload, the longest text.
  const long = '😀'.repeat(10000);
  alice.raw(JSON.stringify({ payload: { ...good, content: long, mood: ['fine'] }, extra: 1, type: 'message' }));
  const sent = await alice.next('message', (m) => m.clientMessageId === clientMessageId);
  equal((await bob.take(sent.id)).content === long, true, '10,000 characters of four bytes');
};

flows['20 malformed frames close the connection'] = async (open) => {
  const conn = await Conn.online(await external('mallory'));
  open.push(conn);
  for (let i = 0; i < 25; i++) conn.raw('nonsense');
  equal(await within(conn.closed, 5000), 1008, 'close code');
  const big = await Conn.online(await external('mallory'));
  open.push(big);
  big.raw(`{"type":"ping","x":"${'x'.repeat(200_000)}"}`);
  equal(await within(big.closed, 5000), 1009, 'close code of 200 KB');
};

flows['who may connect'] = async (open) => {
  const refused = (o) => Conn.open({ id: 'x', token: 'x', ...o }).then(() => 'welcomed', (e) => e.status);
  equal(await refused({}), 401, 'a token that is none');
  equal(await refused({ token: `murre_${'A'.repeat(43)}` }), 401, 'a token of nobody');
  const u = await external('alice');
  equal(await refused({ token: `${u.token.slice(0, -4)}AAAA` }), 401, 'a forged JWT');
  const [head, body] = u.token.split('.');
  const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
  check(head, 'a JWT');
  equal(await refused({ token: `${none}.${body}.` }), 401, 'alg none');
  equal(await Conn.open(u, { device: 'phone' }).then(() => 'welcomed', (e) => e.status), 400, 'a malformed device');
  const conns = [];
  for (let i = 0; i < 10; i++) conns.push(await Conn.online(u));
  open.push(...conns);
  equal(await Conn.open(u).then(() => 'welcomed', (e) => e.status), 409, 'the 11th device');
  const page = await rest('GET', `${process.env.MURRE_URL}/asyncapi.json`);
  equal([page.status, page.body.asyncapi], [200, '3.0.0'], 'the AsyncAPI document');
};

flows['an external token that runs out closes with 4003'] = async (open) => {
  const conn = await Conn.online(await external('alice', 2));
  open.push(conn);
  equal(await within(conn.closed, 10_000), 4003, 'close code');
};

flows['a channel'] = async (open) => {
  const [a, b, c] = await Promise.all([external('alice'), external('bob'), external('carol')]);
  const channel = await ok(201, 'POST', '/conversations', a.token, { type: 'channel', name: 'News', participantIds: [b.id] });
  const [alice, bob] = await Promise.all([Conn.online(a), Conn.online(b)]);
  open.push(alice, bob);
  const first = await alice.post(channel.id, 'first');
  await bob.take(first.id);
  const clientMessageId = uuid7();
  bob.send('message', { conversationId: channel.id, content: 'x', contentType: 'text', clientMessageId });
  equal((await bob.next('error', (e) => e.clientMessageId === clientMessageId)).code, 'FORBIDDEN', 'only admins post');
  // There is no log of a channel: a device that was away reads its messages.
  await bob.close();
  const missed = [await alice.post(channel.id, 'second'), await alice.post(channel.id, 'third')];
  const back = await Conn.online(b, { device: bob.device });
  open.push(back);
  equal(back.caught.filter((e) => e.type === 'message').map((e) => e.payload.id), missed.map((m) => m.id), 'pending of the channel');
  equal((await rest('GET', `/conversations/${channel.id}/messages`, c.token)).status, 403, 'history for a stranger');
  await ok2xx('POST', `/conversations/${channel.id}/members`, a.token, { userIds: [c.id] });
  const page = await ok(200, 'GET', `/conversations/${channel.id}/members?limit=2`, c.token);
  equal([page.members.length, page.hasMore], [2, true], 'members are paged');
};

module.exports = flows;
