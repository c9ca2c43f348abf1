"""The flows of the protocol, each against a server with no rate limits. Every one makes its own users."""

import asyncio
import time

from client import MESSAGE_ID, TIME, Conn, check, direct, equal, external, ok, register, rest, until, uuid7

FLOWS = []


def flow(name):
    return lambda f: FLOWS.append((name, f)) or f


async def pair(opened):
    """Two users with a direct conversation, both online."""
    a, b = await external("alice"), await external("bob")
    conv = await direct(a, b)
    alice, bob = await Conn.online(a), await Conn.online(b)
    opened += [alice, bob]
    return a, b, conv, alice, bob


@flow("message, ack, delivered, read")
async def message(opened):
    a, b = await register("alice"), await register("bob")
    conv = await direct(a, b)
    equal(await direct(b, a), conv, "a direct conversation is made once")
    alice, bob = await Conn.online(a, browser=True), await Conn.online(b)
    opened += [alice, bob]
    text = 'Grüße 👋 "quoted" \\ \0 \u2028 👩‍👩‍👧‍👦 <b>&</b>\n'
    sent = await alice.post(conv, text)
    check(MESSAGE_ID.match(sent["id"]) and TIME.match(sent["createdAt"]), f"{sent}")
    got = await bob.take(sent["id"])
    equal((got["content"], got["conversationId"], got["senderId"]), (text, conv, a["id"]), "message")
    check(got["eventId"] and "status" not in got, "eventId, and no status for a recipient")
    s = await alice.next("message_status", lambda s: s["status"] == "delivered")
    equal((s["conversationId"], s["userId"], s["messageId"]), (conv, b["id"], sent["id"]), "delivered")
    await bob.send("read", conversationId=conv, upToMessageId=sent["id"])
    s = await alice.next("message_status", lambda s: s["status"] == "read")
    equal((s["conversationId"], s["userId"], s["messageId"]), (conv, b["id"], sent["id"]), "read")
    history = await ok("GET", f"/conversations/{conv}/messages", a["token"])
    equal([(m["id"], m["content"], m["status"]) for m in history["messages"]], [(sent["id"], text, "read")], "history")

    async def told():
        receipts = (await ok("GET", f"/conversations/{conv}/receipts", a["token"]))["receipts"]
        return any(r["userId"] == b["id"] and r.get("deliveredTo") == r.get("readTo") == sent["id"] for r in receipts)

    await until("receipts", told)


@flow("a retry is the same message")
async def retry(opened):
    a, b, conv, alice, bob = await pair(opened)
    key = uuid7()
    first = await alice.post(conv, "once", clientMessageId=key)
    again = await alice.post(conv, "once", clientMessageId=key, resend=True)
    equal(again["id"], first["id"], "id of the retry")
    await alice.send("message", conversationId=conv, content="other", contentType="text", clientMessageId=key, resend=True)
    e = await alice.next("error")
    equal((e["code"], e["clientMessageId"]), ("VALIDATION_ERROR", key), "other content under the same key")
    await bob.take(first["id"])
    history = await ok("GET", f"/conversations/{conv}/messages", b["token"])
    equal(len(history["messages"]), 1, "messages in history")


@flow("typing and presence")
async def typing(opened):
    a, b, conv, alice, bob = await pair(opened)
    await alice.send("presence", userIds=[b["id"]])
    equal((await alice.next("presence", lambda p: p["userId"] == b["id"]))["status"], "online", "presence")
    await bob.send("typing", conversationId=conv)
    t = await alice.next("typing")
    equal((t["conversationId"], t["userId"], t["username"], t["isTyping"]), (conv, b["id"], b["username"], True), "typing")
    await bob.send("typing", conversationId=conv, isTyping=False)
    equal((await alice.next("typing"))["isTyping"], False, "stopped")
    await bob.close()
    off = await alice.next("presence", lambda p: p["status"] == "offline", 12)
    check(off["userId"] == b["id"] and TIME.match(off["lastSeen"]), f"{off}")


@flow("an offline queue of 1,000")
async def offline(opened):
    a, b = await external("alice"), await external("bob")
    conv, device = await direct(a, b), uuid7()
    await (await Conn.online(b, device=device)).close()
    alice = await Conn.online(a)
    opened.append(alice)
    ids = []
    for i in range(0, 1000, 50):
        ids += [m["id"] for m in await asyncio.gather(*(alice.post(conv, f"message {i + k}") for k in range(50)))]
    check(ids == sorted(ids), "ids are in the order of sending")
    first = await Conn.open(b, device=device)
    equal(first.welcome["pending"], True, "pending")
    some = await first.catch_up(3)
    equal(len(some), 150, "three batches")
    await first.next("pending_messages")  # the fourth came: the third was acked
    await first.close()
    second = await Conn.online(b, device=device)
    opened.append(second)
    # What was acked right before a connection ended may come once more: a client shows it once.
    shown = {e["payload"]["id"]: e["payload"]["content"] for e in some + second.caught}
    equal(list(shown.items()), [(m, f"message {i}") for i, m in enumerate(ids)], "every message, once, in order")
    await alice.next("message_status", lambda s: s["status"] == "delivered" and ids[999] in [s["messageId"], *s.get("messageIds", [])])
    await second.close()
    third = await Conn.open(b, device=device)
    opened.append(third)
    equal((third.welcome["pending"], await third.catch_up()), (False, []), "pending when all is acked")


@flow("a group of 256")
async def group(opened):
    users = []
    for i in range(0, 256, 16):
        users += await asyncio.gather(*(external(f"member{i + k}") for k in range(16)))
    admin, others = users[0], users[1:]
    g = await ok("POST", "/conversations", admin["token"], {"type": "group", "name": "All of us", "participantIds": [u["id"] for u in others]})
    equal(len(g["participants"]), 256, "participants")
    one = await external("one too many")
    r = await rest("POST", f"/conversations/{g['id']}/members", admin["token"], {"userIds": [one["id"]]})
    equal(r.body["code"], "VALIDATION_ERROR", "the 257th")
    for i in range(0, 256, 32):
        opened += await asyncio.gather(*(Conn.online(u) for u in users[i : i + 32]))
    told = [e for e in opened[255].caught if e["type"] == "conversation" and e["payload"]["conversationId"] == g["id"]]
    equal([e["payload"]["change"] for e in told], ["created"], "the group is announced")
    sent = await opened[0].post(g["id"], "hello, everyone")
    got = await asyncio.gather(*(c.take(sent["id"]) for c in opened[1:]))
    check(all(m["content"] == "hello, everyone" for m in got), "content")
    for status in ("delivered", "read"):
        seen = set()
        while len(seen) < 255:
            seen.add((await opened[0].next("message_status", lambda s: s["status"] == status))["userId"])
        if status == "delivered":
            for c in opened[1:]:
                await c.send("read", conversationId=g["id"], upToMessageId=sent["id"])
    mine = await ok("GET", f"/conversations/{g['id']}/messages/{sent['id']}", admin["token"])
    equal(mine["status"], "read", "the lowest status over the members")


@flow("two devices a user")
async def devices(opened):
    a, b, conv, alice, bob = await pair(opened)
    laptop, tablet = await Conn.online(a), await Conn.online(b)
    opened += [laptop, tablet]
    sent = await alice.post(conv, "to both")
    equal((await laptop.next("message", lambda m: m["id"] == sent["id"]))["status"], "sent", "the sender's other device")
    await asyncio.gather(bob.take(sent["id"]), tablet.take(sent["id"]))
    for c in (alice, laptop):
        await c.next("message_status", lambda s: s["messageId"] == sent["id"] and s["status"] == "delivered")
    await tablet.close()
    missed = await alice.post(conv, "while the tablet is away")
    await bob.take(missed["id"])
    again = await Conn.online(b, device=tablet.device)
    opened.append(again)
    equal([e["payload"]["id"] for e in again.caught if e["type"] == "message"], [missed["id"]], "pending of the tablet")
    started = time.monotonic()
    newer = await Conn.online(b, device=tablet.device)
    opened.append(newer)
    equal(await again.closed(), 4001, "close code")
    check(time.monotonic() - started < 0.5, f"replaced after {time.monotonic() - started:.3f} s")
    await newer.take((await alice.post(conv, "to the newer"))["id"])


@flow("edits, deletes, reactions, replies")
async def edits(opened):
    a, b, conv, alice, bob = await pair(opened)
    m = (await alice.post(conv, "frist"))["id"]
    await bob.take(m)
    reply = await bob.post(conv, "you mean first", replyToId=m)
    check(reply["id"] > m, "a reply sorts after its parent")
    equal((await alice.take(reply["id"]))["replyToId"], m, "replyToId")
    await alice.send("edit", conversationId=conv, messageId=m, content="first")
    for c in (alice, bob):
        e = await c.next("message_edited", lambda x: x["messageId"] == m)
        equal((e["content"], bool(TIME.match(e["editedAt"]))), ("first", True), "edited")
    await bob.send("edit", conversationId=conv, messageId=m, content="mine")
    equal((await bob.next("error", lambda e: e.get("messageId") == m))["code"], "FORBIDDEN", "another's message")
    for emoji in ("👍", "🏳️‍🌈", ""):
        await bob.send("react", conversationId=conv, messageId=m, emoji=emoji)
        for c in (alice, bob):
            r = await c.next("reaction", lambda x: x["messageId"] == m)
            equal((r["userId"], r["emoji"]), (b["id"], emoji), "reaction")
        now = await ok("GET", f"/conversations/{conv}/messages/{m}", a["token"])
        equal(now.get("reactions", []), [{"userId": b["id"], "emoji": emoji}] if emoji else [], "reactions")
    await alice.send("delete", conversationId=conv, messageId=m)
    for c in (alice, bob):
        await c.next("message_deleted", lambda x: x["messageId"] == m)
    history = await ok("GET", f"/conversations/{conv}/messages", b["token"])
    seen = [(x["id"], x.get("deleted", False), x["content"]) for x in history["messages"]]
    equal(seen, [(m, True, ""), (reply["id"], False, "you mean first")], "history")
    await bob.close()
    n = (await alice.post(conv, "v1"))["id"]
    await alice.send("edit", conversationId=conv, messageId=n, content="v2")
    await alice.next("message_edited", lambda x: x["messageId"] == n)
    await alice.send("react", conversationId=conv, messageId=n, emoji="🎉")
    await alice.next("reaction", lambda x: x["messageId"] == n)
    back = await Conn.online(b, device=bob.device)
    opened.append(back)
    log = [e for e in back.caught if n in (e["payload"].get("id"), e["payload"].get("messageId"))]
    equal([e["type"] for e in log], ["message", "message_edited", "reaction"], "the log of a device that was away")
