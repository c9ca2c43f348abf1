// A client of Murre made of the `ws` library and fetch: what a stranger would write from the protocol's description.
'use strict';
const crypto = require('node:crypto');
const WebSocket = require('ws');

const base = process.env.MURRE_URL;
const jwtSecret = process.env.MURRE_JWT_SECRET;
const PATIENCE = 10_000;

function fail(message) { throw new Error(message); }

function equal(got, want, what) {
  const g = JSON.stringify(got), w = JSON.stringify(want);
  if (g === w) return;
  if (Array.isArray(got) && Array.isArray(want)) {
    const i = want.findIndex((x, k) => JSON.stringify(x) !== JSON.stringify(got[k]));
    what += ` (${got.length} items, want ${want.length}; item ${i} is the first that differs: ${JSON.stringify(got[i])}, want ${JSON.stringify(want[i])})`;
  }
  fail(`${what}: got ${g?.slice(0, 300)}, want ${w?.slice(0, 300)}`);
}

function check(ok, what) { if (!ok) fail(what); }

// until asks again until it is so.
async function until(what, ask) {
  for (const end = Date.now() + PATIENCE; !(await ask()); await new Promise((go) => setTimeout(go, 50))) {
    if (Date.now() > end) fail(`${what}: not so within ${PATIENCE} ms`);
  }
}

// A v7 UUID: time first, as the protocol advises for clientMessageId.
function uuid7() {
  const b = crypto.randomBytes(16);
  b.writeUIntBE(Date.now(), 0, 6);
  b[6] = (b[6] & 0x0f) | 0x70;
  b[8] = (b[8] & 0x3f) | 0x80;
  const h = b.toString('hex');
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
}

// One REST call. Returns {status, headers, body}, body parsed when it is JSON.
async function rest(method, path, token, body, headers = {}) {
  const url = /^https?:/.test(path) ? path : base + (path.startsWith('/api/') ? path : '/api/v1' + path);
  const raw = body instanceof Uint8Array;
  const res = await fetch(url, {
    method,
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(body !== undefined && !raw ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    body: body === undefined ? undefined : raw ? body : JSON.stringify(body),
  });
  const bytes = Buffer.from(await res.arrayBuffer());
  const json = /json/.test(res.headers.get('content-type') ?? '') && bytes.length > 0;
  return { status: res.status, headers: res.headers, body: json ? JSON.parse(bytes) : bytes };
}

// A REST call that must answer with this status; returns the body.
async function ok(status, method, path, token, body, headers) {
  const r = await rest(method, path, token, body, headers);
  if (r.status !== status) fail(`${method} ${path}: ${r.status} ${JSON.stringify(r.body)}, want ${status}`);
  return r.body;
}

let made = 0;
async function register(name) {
  const username = `${name}.n${process.pid}.${++made}`;
  const a = await ok(201, 'POST', '/auth/register', null, { username, password: 'correct horse battery', displayName: name });
  equal(a.user.username, username, 'username');
  return { ...a.user, token: a.token, username };
}

// A user of an external identity: no password to hash, made on first sight.
async function external(name, seconds = 3600) {
  const part = (o) => Buffer.from(JSON.stringify(o)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: `${name}-n${process.pid}-${++made}`, iat: now, exp: now + seconds })}`;
  const token = `${text}.${crypto.createHmac('sha256', jwtSecret).update(text).digest('base64url')}`;
  return { ...(await ok(200, 'GET', '/me', token)), token };
}

// A REST call that must succeed.
async function ok2xx(...args) {
  const r = await rest(...args);
  check(r.status >= 200 && r.status < 300, `${args[0]} ${args[1]}: ${r.status} ${JSON.stringify(r.body)}`);
  return r.body;
}

const direct = (a, b) => ok2xx('POST', '/conversations', a.token, { type: 'direct', participantIds: [b.id] });

// Conn is one device's connection: frames that came and weren't asked for yet wait in order.
class Conn {
  constructor(ws, device) {
    this.ws = ws;
    this.device = device;
    this.frames = [];
    this.waiting = [];
    this.closed = new Promise((resolve) => ws.on('close', (code, reason) => {
      this.code = code;
      for (const w of this.waiting.splice(0)) w.reject(new Error(`closed with ${code} ${reason} while waiting for ${w.what}`));
      resolve(code);
    }));
    ws.on('message', (data, binary) => {
      check(!binary, 'a binary frame came');
      const f = JSON.parse(data);
      const i = this.waiting.findIndex((w) => w.match(f));
      if (i >= 0) this.waiting.splice(i, 1)[0].resolve(f);
      else this.frames.push(f);
    });
  }

  // open connects a device of a user; its `welcome` is in conn.welcome.
  static async open(user, { device = uuid7(), cursor, browser = false } = {}) {
    const url = `${base.replace(/^http/, 'ws')}/ws?device=${device}${cursor ? `&cursor=${cursor}` : ''}`;
    const ws = browser
      ? new WebSocket(url, ['murre.json.v1', `murre.bearer.${user.token}`])
      : new WebSocket(url, ['murre.json.v1'], { headers: { authorization: `Bearer ${user.token}` } });
    const c = new Conn(ws, device);
    await new Promise((resolve, reject) => {
      ws.on('open', resolve);
      ws.on('error', reject);
      ws.on('unexpected-response', (_, res) => reject(Object.assign(new Error(`refused with ${res.statusCode}`), { status: res.statusCode })));
    });
    equal(ws.protocol, 'murre.json.v1', 'subprotocol');
    c.welcome = await c.next('welcome');
    equal(c.welcome.userId, user.id, 'welcome.userId');
    equal(c.welcome.deviceId, device, 'welcome.deviceId');
    return c;
  }

  // online opens a connection and applies what is pending until `synced`.
  static async online(user, options) {
    const c = await Conn.open(user, options);
    c.caught = await c.catchUp();
    return c;
  }

  // next waits for a frame of a type that match accepts, and returns its payload.
  async next(type, match = () => true, patience = PATIENCE) {
    return (await this.frame((f) => f.type === type && match(f.payload), type, patience)).payload;
  }

  // frame waits for the first frame that accept accepts.
  frame(accept, what, patience = PATIENCE) {
    const i = this.frames.findIndex(accept);
    if (i >= 0) return Promise.resolve(this.frames.splice(i, 1)[0]);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(w), 1);
        reject(new Error(`no ${what} came; there are ${JSON.stringify(this.frames.slice(0, 5)).slice(0, 600)}`));
      }, patience);
      const w = {
        match: accept, what,
        resolve: (f) => { clearTimeout(timer); resolve(f); },
        reject: (e) => { clearTimeout(timer); reject(e); },
      };
      if (this.code !== undefined) w.reject(new Error(`closed with ${this.code}`));
      else this.waiting.push(w);
    });
  }

  // catchUp takes the pending batches, acking each, until `synced`; returns all of it in the order of the log.
  async catchUp(batches = Infinity) {
    const all = [];
    for (let n = 0; n < batches; n++) {
      const f = await this.frame((x) => x.type === 'pending_messages' || x.type === 'synced', 'pending_messages or synced');
      if (f.type === 'synced') return all;
      const { messages, events, eventId } = f.payload;
      check(messages.length + events.length <= 50, 'more than 50 in a batch');
      const entries = [...messages.map((m) => ({ type: 'message', payload: m, eventId: m.eventId })), ...events];
      entries.sort((a, b) => (a.eventId < b.eventId ? -1 : 1));
      all.push(...entries);
      this.send('ack', { eventId });
    }
    return all;
  }

  raw(text) { this.ws.send(text); }
  send(type, payload) { this.raw(JSON.stringify({ type, payload })); }

  // post sends a message and waits for the server's ack; returns the stored message.
  async post(conversationId, content, more = {}) {
    const clientMessageId = more.clientMessageId ?? uuid7();
    this.send('message', { conversationId, content, contentType: 'text', clientMessageId, ...more });
    return this.next('message', (m) => m.clientMessageId === clientMessageId && m.status === 'sent');
  }

  // take waits for a message of another member and acks it.
  async take(id) {
    const m = await this.next('message', (p) => p.id === id);
    this.send('ack', { messageId: id });
    return m;
  }

  // nothing asserts that no frame of the type comes before the answer to a ping sent now.
  async nothing(type, match = () => true) {
    this.send('ping', {});
    await this.next('pong');
    const f = this.frames.find((x) => x.type === type && match(x.payload));
    check(!f, `an unexpected ${type} came: ${JSON.stringify(f)}`);
  }

  async close() {
    this.ws.close(1000);
    await this.closed;
  }
}

module.exports = { Conn, rest, ok, ok2xx, register, external, direct, uuid7, equal, check, fail, until };
