package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestChat walks through what two people do.
func TestChat(t *testing.T) {
	s := newStack(t)
	reg := s.do("POST", api+"/auth/register", map[string]any{"username": "alice", "password": password, "displayName": "Alice A."}, nil)
	out := reg.ok(201)
	require.Contains(t, reg.header.Get("Set-Cookie"), "murre_session="+out["token"].(string))
	require.Contains(t, reg.header.Get("Set-Cookie"), "HttpOnly")
	require.Contains(t, reg.header.Get("Set-Cookie"), "SameSite=Lax")
	user := out["user"].(map[string]any)
	require.Equal(t, "Alice A.", user["displayName"])
	require.NotContains(t, string(reg.body), "argon2")
	alice := person{s: s, id: user["id"].(string), token: out["token"].(string)}
	bob := s.register("bob")

	require.Equal(t, alice.id, alice.do("GET", "/me", nil).ok(200)["id"])
	require.Equal(t, "Al", alice.do("PATCH", "/me", map[string]any{"displayName": " Al "}).ok(200)["displayName"])
	found := bob.do("GET", "/users?query=ali", nil).ok(200)["users"].([]any)
	require.Len(t, found, 1)
	require.Equal(t, "alice", bob.do("GET", "/users/"+alice.id, nil).ok(200)["username"])

	conv := alice.direct(bob)
	require.Equal(t, conv, bob.direct(alice), "made once")
	key := newKey()
	sent := alice.do("POST", "/conversations/"+conv+"/messages", map[string]any{"content": "hi <b> \u0000 ü", "clientMessageId": key}).ok(201)
	require.Equal(t, "hi <b> \u0000 ü", sent["content"])
	require.Equal(t, "sent", sent["status"])
	require.Equal(t, key, sent["clientMessageId"])
	again := alice.do("POST", "/conversations/"+conv+"/messages", map[string]any{"content": "hi <b> \u0000 ü", "clientMessageId": key, "resend": true}).ok(201)
	require.Equal(t, sent["id"], again["id"], "the same key makes no second message")
	id := sent["id"].(string)

	page := bob.do("GET", "/conversations/"+conv+"/messages", nil).ok(200)
	require.Len(t, page["messages"], 1)
	require.Equal(t, false, page["hasMore"])
	seen := page["messages"].([]any)[0].(map[string]any)
	require.NotContains(t, seen, "clientMessageId")
	require.NotContains(t, seen, "status")
	reply := bob.do("POST", "/conversations/"+conv+"/messages", map[string]any{"content": "yo", "clientMessageId": newKey(), "replyToId": id}).ok(201)
	require.Equal(t, id, reply["replyToId"])

	bob.do("POST", "/conversations/"+conv+"/messages/"+id+"/reactions", map[string]any{"emoji": "👍"}).ok(200)
	msg := alice.do("GET", "/conversations/"+conv+"/messages/"+id, nil).ok(200)
	require.Equal(t, []any{map[string]any{"userId": bob.id, "emoji": "👍"}}, msg["reactions"])
	bob.do("DELETE", "/conversations/"+conv+"/messages/"+id+"/reactions", nil).ok(204)
	edited := alice.do("PATCH", "/conversations/"+conv+"/messages/"+id, map[string]any{"content": "hello"}).ok(200)
	require.Equal(t, "hello", edited["content"])
	require.NotEmpty(t, edited["editedAt"])
	bob.do("PATCH", "/conversations/"+conv+"/messages/"+id, map[string]any{"content": "x"}).fails(403, "FORBIDDEN", "")

	list := bob.do("GET", "/conversations", nil).ok(200)["conversations"].([]any)
	require.Len(t, list, 1)
	c := list[0].(map[string]any)
	require.EqualValues(t, 1, c["unreadCount"])
	require.Equal(t, reply["id"], c["lastMessage"].(map[string]any)["id"])
	require.Len(t, c["participants"], 2)
	alice.do("PATCH", "/conversations/"+conv+"/me", map[string]any{"muted": true}).ok(204)
	require.Equal(t, true, alice.do("GET", "/conversations/"+conv, nil).ok(200)["muted"])
	alice.do("GET", "/conversations/"+conv+"/receipts", nil).ok(200)
	alice.do("GET", "/conversations/"+conv+"/messages/"+id+"/receipts", nil).ok(200)

	sync := bob.do("GET", "/sync", nil).ok(200)
	require.NotEmpty(t, sync["messages"])
	require.Equal(t, false, sync["more"])
	_, err := time.Parse(time.RFC3339Nano, sync["upTo"].(string))
	require.NoError(t, err)
	rest := bob.do("GET", "/sync?cursor="+sync["eventId"].(string), nil).ok(200)
	require.Empty(t, rest["messages"])

	alice.do("DELETE", "/conversations/"+conv+"/messages/"+id, nil).ok(204)
	gone := bob.do("GET", "/conversations/"+conv+"/messages/"+id, nil).ok(200)
	require.Equal(t, true, gone["deleted"])
	require.Equal(t, "", gone["content"])

	bob.do("POST", "/blocks/"+alice.id, nil).ok(204)
	require.Len(t, bob.do("GET", "/blocks", nil).ok(200)["users"], 1)
	alice.do("POST", "/conversations/"+conv+"/messages", map[string]any{"content": "?", "clientMessageId": newKey()}).fails(403, "FORBIDDEN", "")
	bob.do("DELETE", "/blocks/"+alice.id, nil).ok(204)
	bob.do("GET", "/presence?userIds="+alice.id, nil).ok(200)
}

func TestGroup(t *testing.T) {
	s := newStack(t)
	alice, bob, carol, eve := s.register("alice"), s.register("bob"), s.register("carol"), s.register("eve")
	made := alice.do("POST", "/conversations", map[string]any{"type": "group", "name": "Crew", "participantIds": []string{bob.id}}).ok(201)
	conv := "/conversations/" + made["id"].(string)
	require.Equal(t, "Crew 2", alice.do("PATCH", conv, map[string]any{"name": "Crew 2"}).ok(200)["name"])
	bob.do("PATCH", conv, map[string]any{"name": "Mine"}).fails(403, "FORBIDDEN", "")
	bob.do("POST", conv+"/members", map[string]any{"userIds": []string{eve.id}}).fails(403, "FORBIDDEN", "")
	require.Len(t, alice.do("POST", conv+"/members", map[string]any{"userIds": []string{carol.id}}).ok(200)["participants"], 3)
	alice.do("PATCH", conv+"/members/"+bob.id, map[string]any{"role": "admin"}).ok(204)
	bob.do("DELETE", conv+"/members/"+carol.id, nil).ok(204)
	carol.do("GET", conv, nil).fails(403, "FORBIDDEN", "")
	members := alice.do("GET", conv+"/members?limit=1", nil).ok(200)
	require.Len(t, members["members"], 1)
	require.Equal(t, true, members["hasMore"])
	next := alice.do("GET", conv+"/members?limit=10&cursor="+members["cursor"].(string), nil).ok(200)
	require.Len(t, next["members"], 1)
	require.Equal(t, false, next["hasMore"])
	alice.do("DELETE", conv+"/members/"+alice.id, nil).ok(204)
	alice.do("GET", conv+"/messages", nil).fails(403, "FORBIDDEN", "")
}

// TestStrangers: a conversation that exists and one that doesn't are answered alike, on every route.
func TestStrangers(t *testing.T) {
	s := newStack(t)
	alice, bob, eve := s.register("alice"), s.register("bob"), s.register("eve")
	conv := alice.direct(bob)
	id := alice.say(conv, "secret")
	none := "01890000-0000-7000-8000-000000000000"
	for _, r := range []struct {
		method, path string
		body         any
	}{
		{"GET", "", nil}, {"PATCH", "", map[string]any{"name": "x"}}, {"PATCH", "/me", map[string]any{"muted": true}},
		{"GET", "/receipts", nil}, {"GET", "/members", nil}, {"POST", "/members", map[string]any{"userIds": []string{eve.id}}},
		{"PATCH", "/members/" + bob.id, map[string]any{"role": "admin"}}, {"DELETE", "/members/" + bob.id, nil},
		{"GET", "/messages", nil}, {"POST", "/messages", map[string]any{"content": "x", "clientMessageId": newKey()}},
		{"GET", "/messages/" + id, nil}, {"PATCH", "/messages/" + id, map[string]any{"content": "x"}},
		{"DELETE", "/messages/" + id, nil}, {"GET", "/messages/" + id + "/receipts", nil},
		{"POST", "/messages/" + id + "/reactions", map[string]any{"emoji": "👍"}}, {"DELETE", "/messages/" + id + "/reactions", nil},
	} {
		t.Run(r.method+r.path, func(t *testing.T) {
			there := eve.do(r.method, "/conversations/"+conv+r.path, r.body)
			there.fails(403, "FORBIDDEN", "")
			notThere := eve.do(r.method, "/conversations/"+none+r.path, r.body)
			require.Equal(t, there.status, notThere.status)
			require.Equal(t, string(there.body), string(notThere.body))
		})
	}
}

// TestBadInput: whatever is wrong with a request is answered with its field's name.
func TestBadInput(t *testing.T) {
	s := newStack(t)
	alice, bob := s.register("alice"), s.register("bob")
	conv := "/conversations/" + alice.direct(bob)
	long := strings.Repeat("é", 10_001)
	for _, c := range []struct {
		name, method, path string
		body               any
		field              string
	}{
		{"bad conversation id", "GET", "/conversations/abc", nil, "conversationId"},
		{"bad message id", "GET", conv + "/messages/abc", nil, "messageId"},
		{"bad user id", "GET", "/users/42", nil, "userId"},
		{"bad limit", "GET", conv + "/messages?limit=0", nil, "limit"},
		{"limit too large", "GET", conv + "/messages?limit=101", nil, "limit"},
		{"limit no number", "GET", conv + "/messages?limit=ten", nil, "limit"},
		{"unknown parameter", "GET", conv + "/messages?offset=3", nil, "offset"},
		{"bad since", "GET", conv + "/messages?since=yesterday", nil, "since"},
		{"bad before", "GET", conv + "/messages?before=0", nil, "before"},
		{"bad cursor", "GET", "/sync?cursor=x", nil, "cursor"},
		{"query missing", "GET", "/users", nil, "query"},
		{"bad presence id", "GET", "/presence?userIds=" + bob.id + ",x", nil, "userIds[1]"},
		{"unknown field", "POST", conv + "/messages", map[string]any{"content": "x", "clientMessageId": newKey(), "colour": "red"}, "colour"},
		{"content missing", "POST", conv + "/messages", map[string]any{"clientMessageId": newKey()}, "content"},
		{"content too long", "POST", conv + "/messages", map[string]any{"content": long, "clientMessageId": newKey()}, "content"},
		{"content no string", "POST", conv + "/messages", map[string]any{"content": 5, "clientMessageId": newKey()}, "content"},
		{"key missing", "POST", conv + "/messages", map[string]any{"content": "x"}, "clientMessageId"},
		{"bad key", "POST", conv + "/messages", map[string]any{"content": "x", "clientMessageId": "1"}, "clientMessageId"},
		{"bad content type", "POST", conv + "/messages", map[string]any{"content": "x", "contentType": "audio", "clientMessageId": newKey()}, "contentType"},
		{"bad reply", "POST", conv + "/messages", map[string]any{"content": "x", "replyToId": "?", "clientMessageId": newKey()}, "replyToId"},
		{"bad media", "POST", conv + "/messages", map[string]any{"content": "x", "mediaId": "?", "clientMessageId": newKey()}, "mediaId"},
		{"bad kind", "POST", "/conversations", map[string]any{"type": "party", "participantIds": []string{}}, "type"},
		{"participants missing", "POST", "/conversations", map[string]any{"type": "group"}, "participantIds"},
		{"bad participant", "POST", "/conversations", map[string]any{"type": "direct", "participantIds": []string{"x"}}, "participantIds[0]"},
		{"bad role", "PATCH", conv + "/members/" + bob.id, map[string]any{"role": "king"}, "role"},
		{"empty patch", "PATCH", conv, map[string]any{}, "name"},
		{"empty preferences", "PATCH", conv + "/me", map[string]any{}, "muted"},
		{"bad emoji", "POST", conv + "/messages/0000000000001/reactions", map[string]any{"emoji": "not an emoji"}, "emoji"},
		{"long edit", "PATCH", conv + "/messages/0000000000001", map[string]any{"content": long}, "content"},
		{"display name too long", "PATCH", "/me", map[string]any{"displayName": strings.Repeat("x", 65)}, "displayName"},
		{"display name blank", "PATCH", "/me", map[string]any{"displayName": "  "}, "displayName"},
		{"foreign avatar", "PATCH", "/me", map[string]any{"avatarId": "01890000-0000-7000-8000-000000000000"}, "avatarId"},
		{"short password", "POST", "/me/password", map[string]any{"currentPassword": password, "newPassword": "short"}, "newPassword"},
		{"bad session", "DELETE", "/me/sessions/x", nil, "sessionId"},
		{"bad device", "DELETE", "/me/devices/x", nil, "deviceId"},
		{"media size", "POST", "/media", map[string]any{"contentType": "image/png", "size": 0, "name": "a", "conversationId": conv[15:]}, "size"},
		{"media type", "POST", "/media", map[string]any{"contentType": "png", "size": 1, "name": "a", "conversationId": conv[15:]}, "contentType"},
		{"media name", "POST", "/media", map[string]any{"contentType": "image/png", "size": 1, "name": "../../etc/passwd", "conversationId": conv[15:]}, "name"},
		{"media for nobody", "POST", "/media", map[string]any{"contentType": "image/png", "size": 1, "name": "a"}, "conversationId"},
		{"svg avatar", "POST", "/media", map[string]any{"contentType": "image/svg+xml", "size": 1, "name": "a", "purpose": "avatar"}, "contentType"},
		{"bad media id", "GET", "/media/..%2f..%2fetc%2fpasswd", nil, "mediaId"},
	} {
		t.Run(c.name, func(t *testing.T) {
			alice.do(c.method, c.path, c.body).fails(400, "VALIDATION_ERROR", c.field)
		})
	}
	for _, c := range []struct{ name, body, field string }{
		{"name too short", `{"username":"al","password":"0123456789"}`, "username"},
		{"name with capitals", `{"username":"Alice","password":"0123456789"}`, "username"},
		{"password missing", `{"username":"alice2"}`, "password"},
		{"password short", `{"username":"alice2","password":"012345678"}`, "password"},
		{"unknown", `{"username":"alice2","password":"0123456789","admin":true}`, "admin"},
	} {
		t.Run("register "+c.name, func(t *testing.T) {
			a := s.do("POST", api+"/auth/register", c.body, nil)
			a.fails(400, "VALIDATION_ERROR", c.field)
			require.NotContains(t, string(a.body), "012345", "what was sent is not echoed")
		})
	}
	s.do("POST", api+"/auth/register", `{"username":"alice","password":"0123456789"}`, nil).fails(409, "CONFLICT", "username")
}

func TestBrokenJSON(t *testing.T) {
	s := newStack(t)
	alice, bob := s.register("alice"), s.register("bob")
	path := "/conversations/" + alice.direct(bob) + "/messages"
	key := newKey()
	for name, body := range map[string]string{
		"cut":            `{"content":"x"`,
		"two values":     `{"content":"x","clientMessageId":"` + key + `"}{}`,
		"invalid UTF-8":  "{\"content\":\"\xff\",\"clientMessageId\":\"" + key + `"}`,
		"lone surrogate": `{"content":"\ud83d","clientMessageId":"` + key + `"}`,
		"lone low half":  `{"content":"\udc00 x","clientMessageId":"` + key + `"}`,
		"10,001 deep":    strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
		"empty":          ` `,
	} {
		t.Run(name, func(t *testing.T) { alice.do("POST", path, body).fails(400, "INVALID_JSON", "") })
	}
	alice.do("POST", path, `{"content":"\ud83d\udc4d \\ud83d","clientMessageId":"`+key+`"}`).ok(201)
	alice.do("POST", path, `"text"`).fails(400, "VALIDATION_ERROR", "")
	alice.do("POST", path, strings.Repeat(" ", 1<<20+1)).fails(413, "TOO_LARGE", "")
	alice.do("POST", path, `{"content":"`+strings.Repeat("x", 2<<20)+`"}`).fails(413, "TOO_LARGE", "")
	s.do("POST", api+path, strings.NewReader("content=x"), header{"Authorization": "Bearer " + alice.token, "Content-Type": "application/x-www-form-urlencoded"}).
		fails(415, "VALIDATION_ERROR", "")
}

func TestNoRoute(t *testing.T) {
	s := newStack(t)
	alice := s.register("alice")
	alice.do("GET", "/nothing", nil).fails(404, "NOT_FOUND", "")
	a := alice.do("PUT", "/me", nil)
	a.fails(405, "VALIDATION_ERROR", "method")
	require.Equal(t, "GET, PATCH", a.header.Get("Allow"))
}
