"""A client of Murre made of the `websockets` library and urllib: what a stranger would write from the protocol's description."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import time
import urllib.error
import urllib.request
from itertools import count

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

BASE = os.environ["MURRE_URL"]
JWT_SECRET = os.environ["MURRE_JWT_SECRET"].encode()
PATIENCE = 10
made = count(1)


def check(ok, what):
    if not ok:
        raise AssertionError(what)


def equal(got, want, what):
    check(got == want, f"{what}: got {str(got)[:300]}, want {str(want)[:300]}")


async def until(what, ask):
    """Asks again until it is so."""
    end = time.monotonic() + PATIENCE
    while not await ask():
        check(time.monotonic() < end, f"{what}: not so within {PATIENCE} s")
        await asyncio.sleep(0.05)


def uuid7():
    """A v7 UUID: time first, as the protocol advises for clientMessageId."""
    b = bytearray(int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10))
    b[6] = b[6] & 0x0F | 0x70
    b[8] = b[8] & 0x3F | 0x80
    h = b.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.bytes = status, headers, body
        self.body = json.loads(body) if body and "json" in headers.get("content-type", "") else body


def _rest(method, path, token, body, headers):
    url = path if path.startswith("http") else BASE + (path if path.startswith("/api/") else "/api/v1" + path)
    head = dict(headers or {})
    if token:
        head["Authorization"] = f"Bearer {token}"
    if body is not None and not isinstance(body, bytes):
        body, head["Content-Type"] = json.dumps(body).encode(), "application/json"
    req = urllib.request.Request(url, data=body, method=method, headers=head)
    try:
        with urllib.request.urlopen(req, timeout=30) as res:
            return Answer(res.status, res.headers, res.read())
    except urllib.error.HTTPError as err:
        return Answer(err.code, err.headers, err.read())


async def rest(method, path, token=None, body=None, headers=None):
    """One REST call, whatever it answers."""
    return await asyncio.to_thread(_rest, method, path, token, body, headers)


async def ok(method, path, token=None, body=None, headers=None):
    """A REST call that must succeed; returns the body."""
    r = await rest(method, path, token, body, headers)
    check(200 <= r.status < 300, f"{method} {path}: {r.status} {r.body}")
    return r.body


async def register(name):
    username = f"{name}.p{os.getpid()}.{next(made)}"
    a = await ok("POST", "/auth/register", None, {"username": username, "password": "correct horse battery"})
    return a["user"] | {"token": a["token"]}


def _part(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=")


async def external(name):
    """A user of an external identity: no password to hash, made on first sight."""
    now = int(time.time())
    claims = {"sub": f"{name}-p{os.getpid()}-{next(made)}", "iat": now, "exp": now + 3600}
    text = _part(b'{"alg":"HS256","typ":"JWT"}') + b"." + _part(json.dumps(claims).encode())
    token = (text + b"." + _part(hmac.new(JWT_SECRET, text, hashlib.sha256).digest())).decode()
    return await ok("GET", "/me", token) | {"token": token}


async def direct(a, b):
    c = await ok("POST", "/conversations", a["token"], {"type": "direct", "participantIds": [b["id"]]})
    return c["id"]


class Refused(Exception):
    def __init__(self, status):
        super().__init__(f"refused with {status}")
        self.status = status


class Conn:
    """One device's connection: frames that came and weren't asked for yet wait in order."""

    def __init__(self, ws, device):
        self.ws, self.device = ws, device
        self.frames, self.news = [], asyncio.Event()
        self.code = None
        self.reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, user, device=None, cursor=None, browser=False):
        device = device or uuid7()
        url = f"{BASE.replace('http', 'ws', 1)}/ws?device={device}" + (f"&cursor={cursor}" if cursor else "")
        protocols, headers = ["murre.json.v1"], {}
        if browser:
            protocols.append(f"murre.bearer.{user['token']}")
        else:
            headers["Authorization"] = f"Bearer {user['token']}"
        try:
            ws = await connect(url, subprotocols=protocols, additional_headers=headers, max_size=16 << 20, max_queue=None, proxy=None)
        except InvalidStatus as err:
            raise Refused(err.response.status_code) from err
        equal(ws.subprotocol, "murre.json.v1", "subprotocol")
        c = cls(ws, device)
        c.welcome = await c.next("welcome")
        equal([c.welcome["userId"], c.welcome["deviceId"]], [user["id"], device], "welcome")
        return c

    @classmethod
    async def online(cls, user, **options):
        """Opens a connection and applies what is pending until `synced`."""
        c = await cls.open(user, **options)
        c.caught = await c.catch_up()
        return c

    async def _read(self):
        try:
            async for text in self.ws:
                check(isinstance(text, str), "a binary frame came")
                self.frames.append(json.loads(text))
                self.news.set()
        except ConnectionClosed:
            pass
        self.code = self.ws.close_code
        self.news.set()

    async def frame(self, accept, what, patience=PATIENCE):
        """Waits for the first frame that accept accepts."""
        try:
            async with asyncio.timeout(patience):
                while True:
                    for i, f in enumerate(self.frames):
                        if accept(f):
                            return self.frames.pop(i)
                    check(self.code is None, f"closed with {self.code} while waiting for {what}")
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise AssertionError(f"no {what} came; there are {str(self.frames[:5])[:600]}") from None

    async def next(self, kind, match=lambda p: True, patience=PATIENCE):
        """Waits for a frame of a type that match accepts, and returns its payload."""
        return (await self.frame(lambda f: f["type"] == kind and match(f["payload"]), kind, patience))["payload"]

    async def catch_up(self, batches=None):
        """Takes the pending batches, acking each, until `synced`; returns all of it in the order of the log."""
        out = []
        while batches is None or batches > 0:
            f = await self.frame(lambda f: f["type"] in ("pending_messages", "synced"), "pending_messages or synced")
            if f["type"] == "synced":
                return out
            p = f["payload"]
            check(len(p["messages"]) + len(p["events"]) <= 50, "more than 50 in a batch")
            entries = [{"type": "message", "payload": m, "eventId": m["eventId"]} for m in p["messages"]] + p["events"]
            out += sorted(entries, key=lambda e: e["eventId"])
            await self.send("ack", eventId=p["eventId"])
            batches = batches and batches - 1
        return out

    async def raw(self, text):
        await self.ws.send(text)

    async def send(self, kind, /, **payload):
        await self.raw(json.dumps({"type": kind, "payload": payload}, ensure_ascii=False))

    async def post(self, conversation, content, **more):
        """Sends a message and waits for the server's ack; returns the stored message."""
        key = more.setdefault("clientMessageId", uuid7())
        await self.send("message", **{"conversationId": conversation, "content": content, "contentType": "text"} | more)
        return await self.next("message", lambda m: m.get("clientMessageId") == key and m.get("status") == "sent")

    async def take(self, message):
        """Waits for a message of another member and acks it."""
        m = await self.next("message", lambda p: p["id"] == message)
        await self.send("ack", messageId=message)
        return m

    async def nothing(self, kind, match=lambda p: True):
        """Asserts that no such frame comes before the answer to a ping sent now."""
        await self.send("ping")
        await self.next("pong")
        found = [f for f in self.frames if f["type"] == kind and match(f["payload"])]
        check(not found, f"an unexpected {kind} came: {found}")

    async def closed(self, patience=5):
        """Waits for the server to close; returns the code."""
        async with asyncio.timeout(patience):
            await asyncio.shield(self.reader)
        return self.code

    async def close(self):
        await self.ws.close()
        await self.reader


MESSAGE_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{13}\Z")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
