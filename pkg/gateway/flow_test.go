package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/protocol"
	"github.com/murre-chat/murre/pkg/service"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/faultstore"
)

func TestMessageAckDeliveredRead(t *testing.T) {
	r := newRig(t)
	a, b := r.person(), r.person()
	c := a.chat(b)
	pa, pb := a.connect(chat.DeviceID{}), b.connect(chat.DeviceID{})
	key := chat.NewClientMessageID(time.Now())
	pa.say(c, key, "hello")
	ack := pa.until("message")
	if ack.text("status") != "sent" || ack.text("clientMessageId") != key.String() {
		t.Errorf("ack %s", ack.Payload)
	}
	got := pb.until("message")
	if got.text("id") != ack.text("id") || got.text("content") != "hello" || got.field("status") != nil || got.text("eventId") == "" {
		t.Errorf("got %s", got.Payload)
	}
	pb.write(fmt.Sprintf(`{"type":"ack","payload":{"messageId":%q}}`, got.text("id")))
	if s := pa.until("message_status"); s.text("status") != "delivered" || s.text("messageId") != ack.text("id") || s.text("userId") != b.id.String() {
		t.Errorf("status %s", s.Payload)
	}
	// What lies in the future is clamped to what exists.
	future := id.At(time.Now().Add(time.Hour))
	pb.write(fmt.Sprintf(`{"type":"read","payload":{"conversationId":%q,"upToMessageId":%q}}`, c, future))
	if s := pa.until("message_status"); s.text("status") != "read" || s.text("messageId") != ack.text("id") {
		t.Errorf("status %s", s.Payload)
	}
	// Acks of what was never sent are nothing, a reply to it is an error that names the field.
	pb.write(fmt.Sprintf(`{"type":"ack","payload":{"messageIds":[%q],"eventIds":[%q]}}`, future, future))
	pb.write(fmt.Sprintf(`{"type":"message","payload":{"conversationId":%q,"clientMessageId":%q,"content":"x","contentType":"text","replyToId":%q}}`, c, chat.NewClientMessageID(time.Now()), future))
	if e := pb.until("error"); e.text("code") != "VALIDATION_ERROR" || !strings.Contains(string(e.Payload), "replyToId") {
		t.Errorf("error %s", e.Payload)
	}
	pb.write(`{"type":"ping"}`)
	pb.until("pong")
	if s := pb.until("synced"); s.text("upTo") == "" {
		t.Errorf("synced %s", s.Payload)
	}
}

// catchUp acks what comes up to synced and returns the ids of the messages in it.
func (p *phone) catchUp() (ids []string) {
	p.t.Helper()
	for {
		f, err := p.next()
		must(p.t, err)
		switch f.Type {
		case "synced":
			return ids
		case "close":
			p.t.Fatalf("closed with %d", f.code)
		}
		ids = append(ids, p.ack(f)...)
	}
}

// ack acks a frame, if it wants to be, and returns the messages in it.
func (p *phone) ack(f frame) (ids []string) {
	p.t.Helper()
	switch f.Type {
	case "pending_messages":
		var b struct {
			Messages []struct{ ID string }
			Events   []json.RawMessage
			EventID  string
		}
		must(p.t, json.Unmarshal(f.Payload, &b))
		if len(b.Messages)+len(b.Events) > chat.MaxBatch {
			p.t.Errorf("a batch of %d", len(b.Messages)+len(b.Events))
		}
		for _, m := range b.Messages {
			ids = append(ids, m.ID)
		}
		p.write(fmt.Sprintf(`{"type":"ack","payload":{"eventId":%q}}`, b.EventID))
	case "message":
		ids = append(ids, f.text("id"))
		p.write(fmt.Sprintf(`{"type":"ack","payload":{"messageId":%q}}`, f.text("id")))
	}
	return ids
}

func TestFramesOfOneConnectionKeepTheirOrder(t *testing.T) {
	r := newRig(t)
	a, b := r.person(), r.person()
	c := a.chat(b)
	pa := a.connect(chat.DeviceID{})
	const n = 300
	go func() {
		for i := range n {
			pa.say(c, chat.NewClientMessageID(time.Now()), fmt.Sprint(i))
		}
	}()
	last := ""
	for i := range n {
		m := pa.until("message")
		if m.text("content") != fmt.Sprint(i) || m.text("id") <= last {
			t.Fatalf("message %d is %s, after %s", i, m.Payload, last)
		}
		last = m.text("id")
	}
}

func TestSameDeviceTwice(t *testing.T) {
	r := newRig(t)
	a, b := r.person(), r.person()
	c := a.chat(b)
	old := b.connect(chat.DeviceID{})
	began := time.Now()
	fresh := b.connect(chat.DeviceID{})
	old.closed(4001)
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("the old connection closed after %v", took)
	}
	m := a.say(c, "to the new one")
	if got := fresh.until("message"); got.text("id") != m.ID.String() {
		t.Errorf("got %s", got.Payload)
	}
	// What the old one had unacked comes on the new one.
	third := b.open(chat.DeviceID{})
	if ids := third.catchUp(); len(ids) != 1 || ids[0] != m.ID.String() {
		t.Errorf("pending %v", ids)
	}
	r.eventually("one connection", func() bool { return r.gateway.Stats.Connected.Load() == 1 })
}

// A device that is back while what it acked is still being stored waits for that, and is sent nothing twice.
func TestBackBeforeTheOldConnectionIsStored(t *testing.T) {
	r := newRig(t)
	a, b := r.person(), r.person()
	c := a.chat(b)
	old := b.connect(chat.DeviceID{})
	for _, op := range []string{"Devices.SetCursor", "Devices.SaveAcks"} {
		r.faults.Add(faultstore.Fault{Op: op, Delay: 500 * time.Millisecond, OnlyDelay: true})
	}
	a.say(c, "acked and gone")
	old.ack(old.until("message"))
	must(t, old.conn.Close())
	r.eventually("the end of the old connection", func() bool { return r.gateway.Stats.Connected.Load() == 0 })
	if ids := b.open(chat.DeviceID{}).catchUp(); len(ids) != 0 {
		t.Errorf("%d messages came again", len(ids))
	}
}

// A device's connections may be opened out of order: the older one must not replace the newer.
func TestOlderConnectionOpenedLast(t *testing.T) {
	var h hub
	h.init()
	u, d := chat.NewUserID(time.Now()), chat.NewDeviceID(time.Now())
	older, newer := &conn{user: u, device: d, seq: 1}, &conn{user: u, device: d, seq: 2}
	if _, ok := h.add(newer); !ok {
		t.Fatal("not added")
	}
	if old, ok := h.add(older); ok || old != nil {
		t.Errorf("the older connection took out %v", old)
	}
	if h.remove(older) || !h.remove(newer) {
		t.Error("the wrong one is listed")
	}
	h.follow(chat.NewConversationID(time.Now()), newer)
	if len(h.channels) != 0 {
		t.Error("a connection that is gone follows a channel for ever")
	}
}

func TestMalformedFrames(t *testing.T) {
	r := newRig(t)
	p := r.person().connect(chat.DeviceID{})
	bad := []string{`{`, `[]`, `{"type":"message","payload":{}}`, `{"type":"nonsense"}`, `"x"`}
	for i := range protocol.MaxMalformedPerMinute {
		p.write(bad[i%len(bad)])
		e := p.until("error")
		if code := e.text("code"); code != "INVALID_JSON" && code != "VALIDATION_ERROR" {
			t.Errorf("error %d: %s", i+1, e.Payload)
		}
		if i == protocol.MaxMalformedPerMinute-2 { // one short of too many: still open, and a refused request doesn't count
			p.say(chat.NewConversationID(time.Now()), chat.NewClientMessageID(time.Now()), "to nobody")
			if e := p.until("error"); e.text("code") != "FORBIDDEN" {
				t.Errorf("%s", e.Payload)
			}
			p.write(`{"type":"ping"}`)
			p.until("pong")
		}
	}
	p.closed(1008)
}

// A ping and an ack in one packet with the handshake reach the connection before its device is open.
func TestFramesRightBehindTheHandshake(t *testing.T) {
	r := newRig(t)
	who := r.person()
	for range 20 {
		conn, err := net.Dial("tcp", r.addr)
		must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		var b bytes.Buffer
		fmt.Fprintf(&b, "GET /ws?device=%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer %s\r\n\r\n", who.device, r.addr, who.token)
		for _, text := range []string{`{"type":"ping"}`, `{"type":"ack","payload":{"messageId":"0G7RM3T6P0800"}}`} {
			must(t, ws.WriteFrame(&b, ws.MaskFrameInPlace(ws.NewTextFrame([]byte(text)))))
		}
		_, err = conn.Write(b.Bytes())
		must(t, err)
		in := bufio.NewReader(conn)
		must(t, conn.SetReadDeadline(time.Now().Add(patience)))
		resp, err := http.ReadResponse(in, nil)
		must(t, err)
		if resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(resp.Status)
		}
		p := &phone{t: t, conn: conn, in: in}
		p.until("pong")
	}
}

// The decoder and the use cases behind it name a field alike.
func TestErrorsNameTheFieldAlike(t *testing.T) {
	r := newRig(t)
	a, b := r.person(), r.person()
	c := a.chat(b)
	p := a.connect(chat.DeviceID{})
	key := chat.NewClientMessageID(time.Now())
	p.say(c, key, "one")
	p.until("message")
	for _, frame := range []struct{ text, field string }{
		{fmt.Sprintf(`{"type":"message","payload":{"conversationId":%q,"clientMessageId":%q,"contentType":"text","content":"two"}}`, c, key), "payload.clientMessageId"},
		{fmt.Sprintf(`{"type":"message","payload":{"conversationId":%q,"clientMessageId":"none","contentType":"text","content":"two"}}`, c), "payload.clientMessageId"},
		{`{"type":"presence","payload":{"userIds":[]}}`, "payload.userIds"},
		{`{"type":"presence","payload":{}}`, "payload.userIds"},
	} {
		p.write(frame.text)
		if e := p.until("error"); e.text("field") != frame.field {
			t.Errorf("%s: %s, want the field %s", frame.text, e.Payload, frame.field)
		}
	}
}

func TestMalformedFramesOverMinutes(t *testing.T) {
	r := newRig(t)
	p := r.person().connect(chat.DeviceID{})
	for range 3 {
		for range protocol.MaxMalformedPerMinute - 1 {
			p.write(`{`)
			p.until("error")
		}
		r.wall.Add(int64(61 * time.Second))
	}
	p.write(`{"type":"ping"}`)
	p.until("pong")
}

func TestWhoMayConnect(t *testing.T) {
	r := newRig(t)
	p := r.person()
	cookie := func(origin string) http.Header {
		h := http.Header{"Cookie": {"murre_session=" + p.token}}
		if origin != "" {
			h.Set("Origin", origin)
		}
		return h
	}
	for _, c := range []struct {
		name      string
		head      http.Header
		protocols []string
		query     string
		want      string // "" : connected
	}{
		{"bearer", bearer(p.token), nil, "", ""},
		{"bearer from a foreign page", http.Header{"Authorization": {"Bearer " + p.token}, "Origin": {"http://evil.example"}}, nil, "", ""},
		{"subprotocol", nil, []string{protocol.SubprotocolJSON, protocol.SubprotocolBearer + p.token}, "", ""},
		{"cookie of this origin", cookie("http://" + r.addr), nil, "", ""},
		{"cookie of a foreign origin", cookie("http://evil.example"), nil, "", "403"},
		{"nothing", nil, nil, "", "401"},
		{"a wrong token", bearer("nonsense"), nil, "", "401"},
		{"an unsigned JWT", bearer(token(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, time.Hour)), nil, "", "401"},
		{"an expired JWT", bearer(token(t, jwt.SigningMethodHS256, []byte(secret), -time.Hour)), nil, "", "401"},
		{"a forged JWT", bearer(token(t, jwt.SigningMethodHS256, []byte("another secret, long enough to sign"))), nil, "", "401"},
		{"the token in the query", nil, nil, "?token=" + p.token, "401"},
		{"a malformed device", bearer(p.token), nil, "?device=x", "400"},
		{"a malformed cursor", bearer(p.token), nil, "?cursor=x", "400"},
		{"a cursor of the future", bearer(p.token), nil, "?cursor=" + id.At(time.Now().Add(time.Hour)).String(), ""},
	} {
		ph, err := r.dial(c.query, c.head, c.protocols...)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want == "":
			ph.until("synced")
		case err == nil:
			t.Errorf("%s: connected", c.name)
		case !strings.HasPrefix(err.Error(), c.want):
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// token makes a JWT of an outside identity that expires after a time (default an hour).
func token(t *testing.T, m jwt.SigningMethod, key any, life ...time.Duration) string {
	t.Helper()
	life = append(life, time.Hour)
	s, err := jwt.NewWithClaims(m, jwt.MapClaims{"sub": "somebody", "exp": time.Now().Add(life[0]).Unix()}).SignedString(key)
	must(t, err)
	return s
}

func TestEleventhDevice(t *testing.T) {
	r := newRig(t)
	p := r.person()
	for range chat.MaxDevices {
		p.connect(chat.NewDeviceID(time.Now()))
	}
	if _, err := r.dial("?device="+chat.NewDeviceID(time.Now()).String(), bearer(p.token)); err == nil || !strings.HasPrefix(err.Error(), "409") {
		t.Errorf("the eleventh: %v", err)
	}
	r.eventually("only ten in the hub", func() bool { return r.gateway.connections(p.id) == chat.MaxDevices })
}

func TestJWTExpires(t *testing.T) {
	r := newRig(t)
	ph, err := r.dial("", bearer(token(t, jwt.SigningMethodHS256, []byte(secret), time.Hour)))
	must(t, err)
	ph.until("synced")
	other := r.person().connect(chat.DeviceID{}) // a session's end slides
	r.wall.Add(int64(time.Hour + time.Second))
	ph.closed(4003)
	other.write(`{"type":"ping"}`)
	other.until("pong")
}

func TestRevocationClosesOpenSockets(t *testing.T) {
	r := newRig(t)
	p := r.person()
	one := p.connect(chat.DeviceID{})
	second := &person{r: r, id: p.id, device: chat.NewDeviceID(time.Now())}
	second.token = second.signIn()
	two := second.connect(chat.DeviceID{})
	who, err := r.auth.Authenticate(context.Background(), p.token)
	must(t, err)
	began := time.Now()
	must(t, r.auth.Revoke(context.Background(), p.id, who.Session))
	one.closed(4002)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("closed after %v", took)
	}
	two.write(`{"type":"ping"}`)
	two.until("pong")
	if _, err := r.dial("", bearer(p.token)); err == nil || !strings.HasPrefix(err.Error(), "401") {
		t.Errorf("with the revoked token: %v", err)
	}
	must(t, r.service.RemoveDevice(context.Background(), service.Caller{User: p.id}, second.device))
	two.closed(4002)
}

// A sign-in that ended on another gateway is learnt of from the change log, bus or no bus: open sockets close.
func TestRevocationElsewhereClosesOpenSockets(t *testing.T) {
	r := newRig(t)
	p := r.person()
	who, err := r.auth.Authenticate(context.Background(), p.token)
	must(t, err)
	ph := p.connect(chat.DeviceID{})
	began := time.Now()
	must(t, r.store.Sessions.Delete(context.Background(), who.Session))
	must(t, r.store.Changes.Append(context.Background(), []store.ChangeEntry{{Kind: store.LogSession, User: p.id, Session: who.Session, Removed: true}}))
	ph.closed(4002)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("closed after %v", took)
	}
	if _, err := r.dial("", bearer(p.token)); err == nil || !strings.HasPrefix(err.Error(), "401") {
		t.Errorf("with the revoked token: %v", err)
	}
}

// A sign-in may end while its connection is between its admission and the hub, where nobody sees it.
func TestRevocationBetweenAdmissionAndHub(t *testing.T) {
	r := newRig(t)
	p := r.person()
	who, err := r.auth.Authenticate(context.Background(), p.token)
	must(t, err)
	c := &conn{g: r.gateway, user: p.id, session: who.Session}
	if !r.gateway.stillWelcome(c) {
		t.Fatal("not welcome with a good sign-in")
	}
	r.auth.Revoked(who.Session)
	if r.gateway.stillWelcome(c) {
		t.Fatal("still welcome after the revocation")
	}
}

func TestPresenceAndTyping(t *testing.T) {
	r := newRig(t)
	a, b := r.person(), r.person()
	stranger := r.person()
	c := a.chat(b)
	pa := a.connect(chat.DeviceID{})
	pa.write(fmt.Sprintf(`{"type":"presence","payload":{"userIds":[%q,%q]}}`, b.id, stranger.id))
	if s := pa.until("presence"); s.text("userId") != b.id.String() || s.text("status") != "offline" {
		t.Errorf("%s", s.Payload)
	}
	pb := b.connect(chat.DeviceID{})
	if s := pa.until("presence"); s.text("userId") != b.id.String() || s.text("status") != "online" {
		t.Errorf("%s", s.Payload)
	}
	pb.write(fmt.Sprintf(`{"type":"typing","payload":{"conversationId":%q}}`, c))
	if s := pa.until("typing"); s.text("userId") != b.id.String() || s.field("isTyping") != true {
		t.Errorf("%s", s.Payload)
	}
	if s := pa.until("typing"); s.field("isTyping") != false {
		t.Errorf("%s", s.Payload)
	}
	began := time.Now()
	must(t, pb.conn.Close())
	if s := pa.until("presence"); s.text("status") != "offline" || time.Since(began) > 10*time.Second {
		t.Errorf("%s after %v", s.Payload, time.Since(began))
	}
}

func TestDrain(t *testing.T) {
	r := newRig(t)
	var phones []*phone
	for range 5 {
		phones = append(phones, r.person().connect(chat.DeviceID{}))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.gateway.Drain(context.Background(), 50*time.Millisecond)
	}()
	for _, p := range phones {
		if f := p.until("reconnect"); f.field("afterMs") == nil {
			t.Errorf("%s", f.Payload)
		}
		p.closed(1001)
		must(t, p.conn.Close())
	}
	<-done
	if _, err := r.dial("", bearer(r.person().token)); err == nil || !strings.HasPrefix(err.Error(), "503") {
		t.Errorf("while draining: %v", err)
	}
}

func TestWallClockSteps(t *testing.T) {
	r := newRig(t)
	a, b := r.person(), r.person()
	c := a.chat(b)
	pa, pb := a.connect(chat.DeviceID{}), b.connect(chat.DeviceID{})
	last := ""
	for i, step := range []time.Duration{0, -time.Hour, 2 * time.Hour, -time.Hour, 0} {
		r.wall.Store(int64(step))
		pa.say(c, chat.NewClientMessageID(time.Now()), fmt.Sprint(i))
		m := pa.until("message")
		if m.text("id") <= last {
			t.Errorf("id %s after %s", m.text("id"), last)
		}
		last = m.text("id")
		if got := pb.until("message"); got.text("id") != last {
			t.Errorf("got %s, want %s", got.Payload, last)
		}
		pb.write(fmt.Sprintf(`{"type":"ack","payload":{"messageId":%q}}`, last))
		pa.until("message_status")
	}
	r.eventually("a stored cursor", func() bool {
		d, err := r.store.Devices.Get(context.Background(), b.id, b.device)
		must(t, err)
		return d.AckedTo >= chat.EventID(mustID(t, last))
	})
}

func mustID(t *testing.T, s string) id.ID {
	t.Helper()
	n, err := id.Parse(s)
	must(t, err)
	return n
}

// A gateway that can't serve while others can sends its clients to them, and takes none until it can.
func TestSuspendSendsClientsAway(t *testing.T) {
	r := newRig(t)
	p := r.person()
	ph := p.connect(chat.DeviceID{})
	r.gateway.Suspend(true, time.Second)
	ph.until("reconnect")
	ph.closed(1001)
	if _, err := r.dial("", bearer(p.token)); err == nil || !strings.HasPrefix(err.Error(), "503") {
		t.Errorf("while suspended: %v", err)
	}
	r.gateway.Suspend(false, 0)
	p.connect(chat.DeviceID{})
}
