"""Membership, media, revocation, what is refused."""

import asyncio
import json

from client import BASE, Conn, Refused, check, direct, equal, external, ok, register, rest, uuid7

FLOWS = []


def flow(name):
    return lambda f: FLOWS.append((name, f)) or f


async def refusal(conn, conv):
    key = uuid7()
    await conn.send("message", conversationId=conv, content="x", contentType="text", clientMessageId=key)
    return (await conn.next("error", lambda e: e.get("clientMessageId") == key))["code"]


@flow("membership")
async def membership(opened):
    a, b, c = [await external(n) for n in ("alice", "bob", "carol")]
    alice, bob, carol = [await Conn.online(u) for u in (a, b, c)]
    opened += [alice, bob, carol]
    g = (await ok("POST", "/conversations", a["token"], {"type": "group", "name": "Team", "participantIds": [b["id"]]}))["id"]
    equal((await bob.next("conversation", lambda x: x["conversationId"] == g))["change"], "created", "change")
    early = await alice.post(g, "before carol")
    equal(await refusal(carol, g), "FORBIDDEN", "a stranger")
    equal(await refusal(carol, uuid7()), "FORBIDDEN", "no such conversation")
    equal((await rest("POST", f"/conversations/{g}/members", b["token"], {"userIds": [c["id"]]})).status, 403, "only admins add")
    await ok("POST", f"/conversations/{g}/members", a["token"], {"userIds": [c["id"]]})
    equal((await carol.next("conversation", lambda x: x["conversationId"] == g))["change"], "member_added", "change")
    later = await alice.post(g, "after carol")
    await carol.take(later["id"])
    history = await ok("GET", f"/conversations/{g}/messages", c["token"])
    equal([m["id"] for m in history["messages"]], [later["id"]], "nothing from before the join")
    check((await rest("GET", f"/conversations/{g}/messages/{early['id']}", c["token"])).status >= 403, "not by its id either")
    await ok("DELETE", f"/conversations/{g}/members/{c['id']}", a["token"])
    await carol.next("conversation", lambda x: x["change"] == "member_removed")
    last = await alice.post(g, "without carol")
    await bob.take(last["id"])
    await carol.nothing("message", lambda m: m["id"] == last["id"])
    equal(await refusal(carol, g), "FORBIDDEN", "a removed member")


@flow("a blocked sender")
async def blocks(opened):
    a, b = await external("alice"), await external("bob")
    conv = await direct(a, b)
    alice, bob = await Conn.online(a), await Conn.online(b)
    opened += [alice, bob]
    await ok("POST", f"/blocks/{a['id']}", b["token"])
    equal(await refusal(alice, conv), "FORBIDDEN", "blocked")
    await bob.nothing("message")
    await ok("DELETE", f"/blocks/{a['id']}", b["token"])
    await bob.take((await alice.post(conv, "friends again"))["id"])


@flow("media up and down, with ranges")
async def media(opened):
    a, b, c = [await external(n) for n in ("alice", "bob", "carol")]
    conv = await direct(a, b)
    alice, bob = await Conn.online(a), await Conn.online(b)
    opened += [alice, bob]
    data = bytes((i * 31 + (i >> 8)) & 0xFF for i in range(1_000_000))
    m = await ok("POST", "/media", a["token"], {"contentType": "application/octet-stream", "size": len(data), "name": "blob.bin", "conversationId": conv})
    target = m["upload"]["url"]
    target = BASE + target if target.startswith("/") else target
    await ok(m["upload"]["method"], target, a["token"], data, {"Content-Type": "application/octet-stream"} | m["upload"].get("headers", {}))
    await ok("POST", f"/media/{m['id']}/complete", a["token"])
    sent = await alice.post(conv, "", contentType="file", mediaId=m["id"])
    got = await bob.take(sent["id"])
    equal((got["media"]["id"], got["media"]["size"], got["media"]["name"]), (m["id"], len(data), "blob.bin"), "media of the message")
    url = got["media"]["url"]
    whole = await rest("GET", url, b["token"])
    check(whole.status == 200 and whole.bytes == data, f"download: {whole.status}, {len(whole.bytes)} bytes")
    equal(whole.headers["X-Content-Type-Options"], "nosniff", "nosniff")
    check(whole.headers["Content-Disposition"].startswith("attachment"), "a file is an attachment")
    part = await rest("GET", url, b["token"], None, {"Range": "bytes=500000-500099"})
    equal((part.status, part.bytes), (206, data[500000:500100]), "range")
    equal((await rest("GET", url, c["token"])).status, 403, "a stranger")
    equal((await rest("GET", url)).status, 401, "nobody")
    big = await rest("POST", "/media", a["token"], {"contentType": "video/mp4", "size": 1 << 40, "name": "x", "conversationId": conv})
    check(big.status in (400, 413), f"a terabyte: {big.status}")


@flow("signing out closes the socket with 4002")
async def revocation(opened):
    a = await register("alice")
    again = await ok("POST", "/auth/login", None, {"username": a["username"], "password": "correct horse battery"})
    first, second = await Conn.online(a), await Conn.online(a | {"token": again["token"]})
    opened += [first, second]
    await ok("POST", "/auth/logout", again["token"])
    equal(await second.closed(5), 4002, "close code of the session signed out")
    equal((await rest("GET", "/me", again["token"])).status, 401, "the token is dead")
    await first.nothing("error")  # the other session lives
    await ok("DELETE", f"/me/devices/{first.device}", a["token"])
    equal(await first.closed(5), 4002, "close code of a removed device")
    third = await Conn.online(a)
    opened.append(third)
    await ok("DELETE", "/me/sessions", a["token"])
    equal(await third.closed(5), 4002, "close code of all sessions revoked")
    try:
        opened.append(await Conn.open(a))
        check(False, "a dead token connects")
    except Refused as err:
        equal(err.status, 401, "a dead token connects no more")


@flow("bad frames get errors and leave no trace")
async def bad(opened):
    a, b = await external("alice"), await external("bob")
    conv, key = await direct(a, b), uuid7()
    good = {"conversationId": conv, "content": "x", "contentType": "text", "clientMessageId": key}

    def frame(**change):
        return json.dumps({"type": "message", "payload": {k: v for k, v in (good | change).items() if v is not None}}, ensure_ascii=False)

    cases = [
        ("not JSON", "{", "INVALID_JSON", None, False),
        ("10,000 levels", '{"type":"ping","x":' + "[" * 10000 + "]" * 10000 + "}", "INVALID_JSON", None, False),
        ("no type", '{"payload":{}}', "VALIDATION_ERROR", "type", False),
        ("an unknown type", '{"type":"shout","payload":{}}', "VALIDATION_ERROR", "type", False),
        ("no payload", '{"type":"message"}', "VALIDATION_ERROR", "payload", False),
        ("no content", frame(content=None), "VALIDATION_ERROR", "payload.content", True),
        ("empty content", frame(content=""), "VALIDATION_ERROR", "payload.content", True),
        ("10,001 characters", frame(content="é" * 10001), "VALIDATION_ERROR", "payload.content", True),
        ("half a surrogate pair", frame().replace('"x"', '"\\ud83d"'), "VALIDATION_ERROR", "payload.content", True),
        ("a malformed conversation", frame(conversationId="general"), "VALIDATION_ERROR", "payload.conversationId", True),
        ("no clientMessageId", frame(clientMessageId=None), "VALIDATION_ERROR", "payload.clientMessageId", False),
        ("an unknown contentType", frame(contentType="hologram"), "VALIDATION_ERROR", "payload.contentType", True),
    ]
    alice = await Conn.online(a)
    opened.append(alice)
    for what, text, code, field, about in cases:
        await alice.raw(text)
        e = await alice.next("error")
        equal((e["code"], e.get("field"), e.get("clientMessageId")), (code, field, key if about else None), what)
    equal((await ok("GET", f"/conversations/{conv}/messages", a["token"]))["messages"], [], "history after what was refused")
    long = "😀" * 10000
    await alice.raw(json.dumps({"payload": good | {"content": long, "mood": ["fine"]}, "extra": 1, "type": "message"}))
    sent = await alice.next("message", lambda m: m["clientMessageId"] == key)
    bob = await Conn.online(b)
    opened.append(bob)
    equal([e["payload"]["id"] for e in bob.caught if e["type"] == "message"], [sent["id"]], "what was refused left nothing behind")
    check(next(e for e in bob.caught if e["type"] == "message")["payload"]["content"] == long, "10,000 characters of four bytes")


@flow("20 malformed frames close the connection")
async def malformed(opened):
    conn = await Conn.online(await external("mallory"))
    opened.append(conn)
    try:
        for _ in range(25):
            await conn.raw("nonsense")
    except Exception:
        pass  # it may close while we are still sending
    equal(await conn.closed(5), 1008, "close code")


@flow("what happens while the socket is quiet")
async def quiet(opened):
    conn = await Conn.online(await external("alice"))
    opened.append(conn)
    rtt = await asyncio.wait_for(await conn.ws.ping(), 5)  # the library's own ping frame
    check(rtt < 5, "pong")
    await conn.send("ping")
    await conn.next("pong")
