package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/admit/localadmit"
	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/bus/localbus"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/gateway/netpoll"
	"github.com/murre-chat/murre/pkg/gateway/wsconn"
	"github.com/murre-chat/murre/pkg/inbox"
	"github.com/murre-chat/murre/pkg/overload"
	"github.com/murre-chat/murre/pkg/presence/localpresence"
	"github.com/murre-chat/murre/pkg/protocol"
	"github.com/murre-chat/murre/pkg/router"
	"github.com/murre-chat/murre/pkg/service"
	"github.com/murre-chat/murre/pkg/session"
	"github.com/murre-chat/murre/pkg/session/localsession"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/faultstore"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret signs the tokens of an outside identity.
const secret = "0123456789abcdef0123456789abcdef"

// patience bounds every wait.
const patience = 8 * time.Second

// rig is a whole gateway on a real socket and a real store.
type rig struct {
	t       *testing.T
	db      *pebblestore.DB
	faults  *faultstore.Faults
	store   store.Store
	service *service.Service
	auth    *auth.Auth
	inbox   *inbox.Log
	gateway *Gateway
	server  *wsconn.Server
	addr    string
	wall    atomic.Int64 // nanoseconds that the gateway's and the log's wall clock are off
	serial  int
	busy    atomic.Bool // the store, as the gateway is told
	stop    func()
}

func newRig(t *testing.T, rates ...admit.Rate) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db, err := pebblestore.Open(pebblestore.Options{Dir: t.TempDir(), CacheBytes: 8 << 20, MemTableBytes: 4 << 20, MinFreeBytes: 1 << 20, Logger: log})
	must(t, err)
	r := &rig{t: t, db: db, faults: faultstore.New(1)}
	r.store = r.faults.Wrap(db.Ports())
	now := func() time.Time { return time.Now().Add(time.Duration(r.wall.Load())) }
	self := session.GatewayID{Name: "test", Epoch: 1}
	sessions, bus := localsession.New(), localbus.New()
	rt := router.New(router.Options{Self: self, Sessions: sessions, Bus: bus, Log: log, Alone: true})
	limits := localadmit.Options{Claims: r.store.Claims}
	copy(limits.Rates[:], rates)
	admission := localadmit.New(limits)
	presence := localpresence.New(localpresence.Options{Users: r.store.Users, Log: log})
	r.service = service.New(service.Options{Store: r.store, Clock: db.Clock(), Router: rt, Admit: admission, Log: log, Presence: presence})
	jwt, err := auth.NewHS256([]byte(secret), auth.Expect{})
	must(t, err)
	r.auth, err = auth.New(auth.Options{Users: r.store.Users, Sessions: r.store.Sessions, Changes: r.store.Changes, Router: rt, Log: log, JWT: jwt})
	must(t, err)
	r.inbox = inbox.New(inbox.Options{Store: r.store, Receipts: r.service, Conversations: r.service, Logger: log, Now: now})
	r.gateway = New(Options{
		Self: self, Auth: r.auth, Origins: func(origin, host string) bool { return origin == "http://"+host }, Service: r.service, Inbox: r.inbox,
		Store: r.store, Sessions: sessions, Presence: presence, Admit: admission, Log: log, Limits: protocol.DefaultLimits(), Now: now, Load: overload.Signals{Busy: r.busy.Load},
	})
	rt.SetLocal(r.gateway)
	r.service.Watch(r.gateway.Changed)
	r.service.Watch(func(e *store.ChangeEntry) {
		if e.Kind == store.LogSession {
			r.auth.Revoked(e.Session)
		}
	})
	r.server, err = wsconn.NewServer(wsconn.Options{Handler: r.gateway, Log: log, Listen: "127.0.0.1:0", Transport: netpoll.Auto, CloseTimeout: time.Second})
	must(t, err)
	must(t, r.server.Listen())
	r.addr = r.server.Addr().String()
	r.run(bus.Run, sessions.Run, admission.Run, r.auth.Run, presence.Run, r.service.Run, r.inbox.Run, r.gateway.Run, r.server.Run)
	return r
}

// run starts the parts; they end in the opposite order.
func (r *rig) run(parts ...func(context.Context) error) {
	var stops []func()
	for _, p := range parts {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- p(ctx) }()
		stops = append(stops, func() {
			cancel()
			if err := <-done; err != nil {
				r.t.Error(err)
			}
		})
	}
	r.stop = sync.OnceFunc(func() {
		for i := len(stops) - 1; i >= 0; i-- {
			stops[i]()
		}
		must(r.t, r.db.Close())
	})
	r.t.Cleanup(r.stop)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// person is a user with a token.
type person struct {
	r      *rig
	id     chat.UserID
	token  string
	device chat.DeviceID // of the first phone
}

func (r *rig) person() *person {
	r.t.Helper()
	r.serial++
	u := chat.User{ID: chat.NewUserID(time.Now()), Username: fmt.Sprintf("person%d", r.serial), DisplayName: "x", CreatedAt: 1}
	must(r.t, r.store.Users.Create(context.Background(), u))
	p := &person{r: r, id: u.ID, device: chat.NewDeviceID(time.Now())}
	p.token = p.signIn()
	return p
}

func (p *person) signIn() string {
	p.r.t.Helper()
	token, err := p.r.auth.Mint(context.Background(), p.id, auth.Client{})
	must(p.r.t, err)
	return token
}

func (p *person) caller() service.Caller { return service.Caller{User: p.id, Device: p.device} }

// chat makes the direct conversation of two people.
func (p *person) chat(with *person) chat.ConversationID {
	p.r.t.Helper()
	v, _, err := p.r.service.CreateConversation(context.Background(), p.caller(), service.CreateConversation{Kind: chat.Direct, Participants: []chat.UserID{with.id}})
	must(p.r.t, err)
	return v.ID
}

// say sends a message without a connection.
func (p *person) say(c chat.ConversationID, text string) chat.Message {
	p.r.t.Helper()
	res, err := p.r.service.Send(context.Background(), p.caller(), service.SendRequest{
		Conversation: c, ClientMessage: chat.NewClientMessageID(time.Now()), Content: text, ContentType: chat.Text,
	})
	must(p.r.t, err)
	return res.Message
}

// phone is a raw WebSocket client: what it doesn't do, nobody does for it.
type phone struct {
	t    testing.TB
	conn net.Conn
	in   io.Reader
}

// frame is one frame of the server; code is that of a close frame.
type frame struct {
	Type    string
	Payload json.RawMessage
	code    ws.StatusCode
}

func (f *frame) field(name string) any {
	var m map[string]any
	if json.Unmarshal(f.Payload, &m) != nil {
		return nil
	}
	return m[name]
}

func (f *frame) text(name string) string {
	s, _ := f.field(name).(string)
	return s
}

func (r *rig) dial(query string, head http.Header, protocols ...string) (*phone, error) {
	r.t.Helper()
	var problem strings.Builder
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP(head), Protocols: protocols, Timeout: patience,
		OnStatusError: func(_ int, _ []byte, resp io.Reader) { _, _ = io.Copy(&problem, resp) }}
	conn, early, _, err := d.Dial(context.Background(), "ws://"+r.addr+"/ws"+query)
	if err != nil {
		var status ws.StatusError
		if errors.As(err, &status) {
			return nil, fmt.Errorf("%d %s", int(status), problem.String())
		}
		return nil, err
	}
	p := &phone{t: r.t, conn: conn, in: conn}
	if early != nil {
		p.in = io.MultiReader(io.LimitReader(early, int64(early.Buffered())), conn)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return p, nil
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// connect opens a device of a person, the first when id is zero, and acks what waits for it up to synced.
func (p *person) connect(id chat.DeviceID) *phone {
	p.r.t.Helper()
	ph := p.open(id)
	ph.catchUp()
	return ph
}

func (p *person) open(id chat.DeviceID) *phone {
	p.r.t.Helper()
	if id.IsZero() {
		id = p.device
	}
	ph, err := p.r.dial("?device="+id.String(), bearer(p.token))
	must(p.r.t, err)
	return ph
}

func (p *phone) write(text string) {
	p.t.Helper()
	must(p.t, ws.WriteFrame(p.conn, ws.MaskFrameInPlace(ws.NewTextFrame([]byte(text)))))
}

func (p *phone) say(c chat.ConversationID, key chat.ClientMessageID, text string) {
	p.t.Helper()
	p.write(fmt.Sprintf(`{"type":"message","payload":{"conversationId":%q,"clientMessageId":%q,"content":%q,"contentType":"text"}}`, c, key, text))
}

// next reads a frame; pings are answered and left out.
func (p *phone) next() (frame, error) {
	for {
		must(p.t, p.conn.SetReadDeadline(time.Now().Add(patience)))
		h, err := ws.ReadHeader(p.in)
		if err != nil {
			return frame{}, err
		}
		f := ws.Frame{Header: h, Payload: make([]byte, h.Length)} // our own server's: its length is to be believed
		if _, err := io.ReadFull(p.in, f.Payload); err != nil {
			return frame{}, err
		}
		switch h.OpCode {
		case ws.OpPing:
			if err := ws.WriteFrame(p.conn, ws.MaskFrameInPlace(ws.NewPongFrame(f.Payload))); err != nil {
				return frame{}, err
			}
		case ws.OpClose:
			code, _ := ws.ParseCloseFrameData(f.Payload)
			return frame{Type: "close", code: code}, nil
		case ws.OpText:
			var out frame
			err := json.Unmarshal(f.Payload, &out)
			return out, err
		}
	}
}

// until reads up to a frame of a type, and returns it.
func (p *phone) until(typ string) frame {
	p.t.Helper()
	var seen []string
	for {
		f, err := p.next()
		if err != nil {
			p.t.Fatalf("no %s: %v; seen %v", typ, err, seen)
		}
		if f.Type == typ {
			return f
		}
		if f.Type == "close" {
			p.t.Fatalf("closed with %d before %s; seen %v", f.code, typ, seen)
		}
		if seen = append(seen, f.Type); len(seen) > 20 {
			seen = seen[1:]
		}
	}
}

func (p *phone) closed(code ws.StatusCode) {
	p.t.Helper()
	if f := p.until("close"); f.code != code {
		p.t.Errorf("closed with %d, want %d", f.code, code)
	}
}

// eventually waits for a condition of the server.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			r.t.Fatalf("no %s in %v", what, patience)
		}
	}
}
