package loadtest

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/protocol"
)

// TestMain is the test, or, started by the harness as a server, a little server that keeps its promises (one that a
// test asked to break some, by MURRE_FAKE_SIN): what the harness says of it is known beforehand.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		if err := fakeServe(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// record is a line of the fake's file; what isn't in it is gone after a kill, cursors for one.
type record struct {
	Conversation chat.ConversationID
	Members      []chat.UserID     `json:",omitempty"`
	Message      *protocol.Message `json:",omitempty"`
}

type fake struct {
	sin   string
	mu    sync.Mutex // guards all below
	last  id.ID
	n     int
	file  *bufio.Writer
	convs map[chat.ConversationID][]chat.UserID
	msgs  map[chat.ConversationID][]*protocol.Message
	byKey map[chat.ClientMessageID]*protocol.Message
	logs  map[chat.UserID][]*protocol.Message
	conns map[chat.UserID]map[chat.DeviceID]*fakeConn
	acked map[chat.DeviceID]map[chat.MessageID]bool
	told  map[chat.UserID]map[chat.MessageID]bool
}

type fakeConn struct {
	user   chat.UserID
	device chat.DeviceID
	out    chan []byte
	batch  chan struct{}
	live   bool
}

func fakeServe(args []string) error {
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	listen, data := fs.String("listen", "", ""), fs.String("data", "", "")
	for _, ignored := range []string{"admin", "rate", "jwt-secret-file", "log-level"} {
		fs.String(ignored, "", "")
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	f := &fake{
		sin: os.Getenv("MURRE_FAKE_SIN"), convs: map[chat.ConversationID][]chat.UserID{}, msgs: map[chat.ConversationID][]*protocol.Message{},
		byKey: map[chat.ClientMessageID]*protocol.Message{}, logs: map[chat.UserID][]*protocol.Message{},
		conns: map[chat.UserID]map[chat.DeviceID]*fakeConn{}, acked: map[chat.DeviceID]map[chat.MessageID]bool{}, told: map[chat.UserID]map[chat.MessageID]bool{},
	}
	if err := f.open(*data); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /api/v1/me", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"id": subject(r), "username": "u"})
	})
	mux.HandleFunc("POST /api/v1/conversations", f.create)
	mux.HandleFunc("GET /api/v1/conversations/{id}/messages", f.history)
	mux.HandleFunc("GET /api/v1/conversations/{id}/receipts", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"receipts":[]}`))
	})
	mux.HandleFunc("GET /ws", f.socket)
	server := &http.Server{Addr: *listen, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// subject derives the user from the token, which it doesn't verify.
func subject(r *http.Request) chat.UserID {
	parts := strings.Split(r.Header.Get("Authorization"), ".")
	body, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct{ Sub string }
	_ = json.Unmarshal(body, &c)
	var u chat.UserID
	copy(u[:], c.Sub)
	return u
}

func (f *fake) open(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, "log.jsonl")
	if old, err := os.Open(path); err == nil {
		for sc := bufio.NewScanner(old); sc.Scan(); {
			var r record
			if json.Unmarshal(sc.Bytes(), &r) == nil {
				f.apply(r)
			}
		}
		_ = old.Close()
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	f.file = bufio.NewWriter(file)
	return err
}

func (f *fake) apply(r record) {
	if r.Members != nil {
		f.convs[r.Conversation] = r.Members
	}
	if m := r.Message; m != nil {
		f.last = max(f.last, id.ID(m.Event))
		f.msgs[m.Conversation] = append(f.msgs[m.Conversation], m)
		f.byKey[m.ClientMessageID] = m
		for _, u := range f.convs[m.Conversation] {
			f.logs[u] = append(f.logs[u], m)
		}
	}
}

func (f *fake) store(r record) {
	f.apply(r)
	b, _ := json.Marshal(r)
	_, _ = f.file.Write(append(b, '\n'))
	_ = f.file.Flush()
}

func (f *fake) next() id.ID {
	f.last = max(f.last+1, id.At(time.Now()))
	return f.last
}

func (f *fake) create(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Type           string
		ParticipantIDs []chat.UserID
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	members := append([]chat.UserID{subject(r)}, in.ParticipantIDs...)
	c := chat.DirectID(members[0], members[1])
	if in.Type == "group" {
		c = chat.NewConversationID(time.Now())
	}
	f.mu.Lock()
	f.store(record{Conversation: c, Members: members})
	f.mu.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]any{"id": c, "type": in.Type})
}

func (f *fake) history(w http.ResponseWriter, r *http.Request) {
	c, _ := chat.ParseConversationID(r.PathValue("id"))
	since := r.URL.Query().Get("since")
	f.mu.Lock()
	defer f.mu.Unlock()
	page := map[string]any{"hasMore": false}
	out := []*protocol.Message{}
	for _, m := range f.msgs[c] {
		if f.sin == "lose" && strings.HasSuffix(m.ClientMessageID.String(), "9") {
			continue
		}
		if m.ID.String() > since || len(since) != id.TextLen {
			if len(out) == chat.MaxHistory {
				page["hasMore"] = true
				break
			}
			out = append(out, m)
		}
	}
	page["messages"] = out
	_ = json.NewEncoder(w).Encode(page)
}

func (f *fake) socket(w http.ResponseWriter, r *http.Request) {
	d, _ := chat.ParseDeviceID(r.URL.Query().Get("device"))
	u := subject(r)
	up := ws.HTTPUpgrader{Protocol: func(p string) bool { return p == protocol.SubprotocolJSON }}
	conn, _, _, err := up.Upgrade(r, w)
	if err != nil {
		return
	}
	c := &fakeConn{user: u, device: d, out: make(chan []byte, 1<<14), batch: make(chan struct{}, 1)}
	f.mu.Lock()
	if f.conns[u] == nil {
		f.conns[u], f.told[u] = map[chat.DeviceID]*fakeConn{}, map[chat.MessageID]bool{}
	}
	if f.acked[d] == nil {
		f.acked[d] = map[chat.MessageID]bool{}
	}
	f.conns[u][d] = c
	f.mu.Unlock()
	ctx, cancel := context.WithCancel(r.Context())
	go func() {
		for {
			select {
			case b := <-c.out:
				_ = wsutil.WriteServerText(conn, b)
			case <-ctx.Done():
				return
			}
		}
	}()
	go f.catchUp(ctx, c)
	for {
		b, err := wsutil.ReadClientText(conn)
		if err != nil {
			break
		}
		f.frame(c, b)
	}
	cancel()
	_ = conn.Close()
	f.mu.Lock()
	if f.conns[u][d] == c {
		delete(f.conns[u], d)
	}
	f.mu.Unlock()
}

func (f *fake) catchUp(ctx context.Context, c *fakeConn) {
	c.out <- fmt.Appendf(nil, `{"type":"welcome","payload":{"userId":%q,"deviceId":%q}}`, c.user, c.device)
	at := 0
	for {
		f.mu.Lock()
		var batch []protocol.Message
		for ; at < len(f.logs[c.user]) && len(batch) < chat.MaxBatch; at++ {
			if m := f.logs[c.user][at]; !f.acked[c.device][m.ID] {
				batch = append(batch, *m)
			}
		}
		if len(batch) == 0 {
			c.live = true
			c.out <- protocol.AppendSynced(nil, time.Now().UnixMilli()-1)
			f.mu.Unlock()
			return
		}
		up := batch[len(batch)-1].Event
		f.mu.Unlock()
		for i := range batch {
			batch[i].Status = ""
		}
		b, _ := json.Marshal(map[string]any{"type": "pending_messages", "payload": map[string]any{"messages": batch, "events": []int{}, "eventId": up, "more": true}})
		c.out <- b
		select {
		case <-c.batch:
		case <-ctx.Done():
			return
		}
	}
}

func (f *fake) frame(c *fakeConn, b []byte) {
	var in protocol.ClientFrame
	if protocol.Decode(b, &in) != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch in.Type {
	case protocol.TypeMessage:
		f.message(c, &in.Message)
	case protocol.TypeAck:
		for _, m := range in.Ack.Messages {
			f.ack(c, m)
		}
		if up := in.Ack.UpTo; up != 0 {
			for _, m := range f.logs[c.user] {
				if m.Event <= up && !f.acked[c.device][m.ID] {
					f.ack(c, m.ID)
				}
			}
			c.batch <- struct{}{}
		}
	}
}

func (f *fake) message(c *fakeConn, s *protocol.SendFrame) {
	m := f.byKey[s.ClientMessage]
	for copies := 0; m == nil || f.sin == "double" && s.Resend && copies < 2; copies++ {
		m = &protocol.Message{
			ID: chat.MessageID(f.next()), Conversation: s.Conversation, Sender: c.user, Content: s.Content, ContentType: "text", ReplyTo: s.ReplyTo,
			CreatedAt: protocol.Time(time.Now().UnixMilli()), ClientMessageID: s.ClientMessage,
		}
		m.Event = chat.EventID(f.next())
		f.acked[c.device][m.ID] = true
		f.store(record{Conversation: s.Conversation, Message: m})
	}
	mine := *m
	mine.Status = "sent"
	c.out <- encoded(&mine)
	f.n++
	if f.sin == "forget" && f.n%200 == 0 {
		for _, u := range f.convs[m.Conversation] {
			f.logs[u] = slices.DeleteFunc(f.logs[u], func(x *protocol.Message) bool { return x == m })
		}
		return
	}
	for _, u := range f.convs[m.Conversation] {
		for d, to := range f.conns[u] {
			if to.live && d != c.device {
				to.out <- encoded(m)
			}
		}
	}
}

func encoded(m *protocol.Message) []byte {
	b, _ := json.Marshal(map[string]any{"type": "message", "payload": m})
	return b
}

func (f *fake) ack(c *fakeConn, id chat.MessageID) {
	f.acked[c.device][id] = true
	if f.told[c.user][id] {
		return
	}
	f.told[c.user][id] = true
	log := f.logs[c.user]
	for i := len(log) - 1; i >= 0; i-- {
		if m := log[i]; m.ID == id && m.Sender != c.user {
			for _, to := range f.conns[m.Sender] {
				to.out <- fmt.Appendf(nil, `{"type":"message_status","payload":{"conversationId":%q,"status":"delivered","userId":%q,"messageId":%q}}`,
					m.Conversation, c.user, m.ID)
			}
			return
		}
	}
}
