package conduct

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/protocol"
)

// Sins of the fake server.
const (
	honest         = "none"
	loses          = "loses"
	forgetsHistory = "forgets in history"
	doubles        = "doubles"
	reorders       = "reorders"
	misdelivers    = "misdelivers"
	alters         = "alters"
	statusBack     = "status back"
	statusFalse    = "status false"
	syncedLies     = "synced lies"
	keepsPending   = "keeps pending"
	storesRefused  = "stores what it refused"
	repeats        = "repeats everything"
)

// sinEvery is how many messages lie between two sins.
const sinEvery = 20

// fake is a little chat server in memory that keeps its promises, save one. It is a stage.
type fake struct {
	p      *population.Population
	sin    string
	http   *http.Server
	listen net.Listener
	done   sync.WaitGroup

	mu      sync.Mutex // guards all below
	last    id.ID
	n       int
	convs   map[chat.ConversationID]int
	users   map[chat.UserID]int
	history map[int][]stored
	byKey   map[chat.ClientMessageID]stored
	logs    map[int][]stored
	acked   map[int]map[chat.MessageID]bool
	conns   map[int]*fakeConn
	read    map[[2]int]chat.MessageID
	got     map[[2]int]chat.MessageID
	asked   int
}

type stored struct {
	conv, sender int
	m            chat.Message
	event        chat.EventID
}

type fakeConn struct {
	user int
	out  chan []byte
	next chan struct{}
	live bool
}

func newFake(p *population.Population, sin string) (*fake, error) {
	f := &fake{
		p: p, sin: sin, convs: map[chat.ConversationID]int{}, users: map[chat.UserID]int{}, history: map[int][]stored{},
		byKey: map[chat.ClientMessageID]stored{}, logs: map[int][]stored{}, acked: map[int]map[chat.MessageID]bool{}, conns: map[int]*fakeConn{},
		read: map[[2]int]chat.MessageID{}, got: map[[2]int]chat.MessageID{},
	}
	for c := range p.Conversations() {
		f.convs[p.Conversation(c)] = c
	}
	for u := range p.Users {
		f.users[p.User(u)], f.acked[u] = u, map[chat.MessageID]bool{}
	}
	var err error
	if f.listen, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws", f.socket)
	mux.HandleFunc("GET /api/v1/conversations/{id}/messages", f.messages)
	mux.HandleFunc("GET /api/v1/conversations/{id}/receipts", f.receipts)
	f.http = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	f.done.Go(func() { _ = f.http.Serve(f.listen) })
	return f, nil
}

func (f *fake) start(context.Context, population.Progress) error { return nil }
func (f *fake) targets() []string                                { return []string{f.listen.Addr().String()} }
func (f *fake) secret() []byte                                   { return []byte("a secret of the fake server's, unused") }
func (f *fake) admins() []string                                 { return nil }
func (f *fake) processes() map[string][]int                      { return map[string][]int{} }
func (f *fake) registered(context.Context) (int, error)          { return 0, nil }
func (f *fake) settled(context.Context, func() error) error      { return nil }
func (f *fake) restartable() []string                            { return nil }
func (f *fake) restart(context.Context, string) error            { return nil }
func (f *fake) lost() []string                                   { return nil }
func (f *fake) died() <-chan error                               { return nil }
func (f *fake) close(context.Context, bool) error {
	err := f.http.Close()
	f.done.Wait()
	return err
}

// user is who a request is from; tokens aren't verified.
func (f *fake) user(r *http.Request) int {
	parts := strings.Split(r.Header.Get("Authorization"), ".")
	if len(parts) != 3 {
		return -1
	}
	body, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct{ Sub string }
	var seed uint64
	user := -1
	_ = json.Unmarshal(body, &c)
	_, _ = fmt.Sscanf(c.Sub, "load-%x-%d", &seed, &user)
	return user
}

func (f *fake) nextID() id.ID {
	f.last = max(f.last+1, id.At(time.Now()))
	return f.last
}

func (f *fake) socket(w http.ResponseWriter, r *http.Request) {
	up := ws.HTTPUpgrader{Protocol: func(p string) bool { return p == protocol.SubprotocolJSON }}
	user := f.user(r)
	conn, _, _, err := up.Upgrade(r, w)
	if err != nil || user < 0 {
		return
	}
	c := &fakeConn{user: user, out: make(chan []byte, 1<<12), next: make(chan struct{}, 16)}
	f.mu.Lock()
	f.conns[user] = c
	f.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	var both sync.WaitGroup
	both.Go(func() {
		for {
			select {
			case b := <-c.out:
				_ = wsutil.WriteServerText(conn, b)
			case <-ctx.Done():
				return
			}
		}
	})
	both.Go(func() { f.catchUp(ctx, c) })
	for {
		b, err := wsutil.ReadClientText(conn)
		if err != nil {
			break
		}
		f.frame(c, b)
	}
	cancel()
	_ = conn.Close()
	both.Wait()
	f.mu.Lock()
	if f.conns[user] == c {
		delete(f.conns, user)
	}
	f.mu.Unlock()
}

// catchUp gives what isn't acked, then says synced, and again each 100 ms.
func (f *fake) catchUp(ctx context.Context, c *fakeConn) {
	c.out <- fmt.Appendf(nil, `{"type":"welcome","payload":{"userId":%q,"deviceId":%q}}`, f.p.User(c.user), f.p.Device(c.user))
	at := 0
	for {
		f.mu.Lock()
		var messages []string
		var last chat.EventID
		log := f.logs[c.user]
		for ; at < len(log) && len(messages) < chat.MaxBatch; at++ {
			if s := log[at]; !f.acked[c.user][s.m.ID] || f.sin == keepsPending {
				messages = append(messages, string(protocol.AppendMessageObject(nil, &s.m, s.event, 0)))
				last = s.event
			}
		}
		if len(messages) == 0 {
			c.live = true
			f.mu.Unlock()
			break
		}
		f.mu.Unlock()
		c.out <- fmt.Appendf(nil, `{"type":"pending_messages","payload":{"messages":[%s],"events":[],"eventId":%q,"more":true}}`, strings.Join(messages, ","), last)
		select {
		case <-c.next:
		case <-ctx.Done():
			return
		}
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		// Under the lock, so that nothing is on its way that it doesn't cover.
		f.mu.Lock()
		upTo := time.Now().UnixMilli() - 1500
		if f.sin == syncedLies {
			upTo = time.Now().UnixMilli()
		}
		c.out <- protocol.AppendSynced(nil, upTo)
		f.mu.Unlock()
		select {
		case <-tick.C:
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
			f.ack(c.user, m)
		}
		if up := in.Ack.UpTo; up != 0 {
			for _, s := range f.logs[c.user] {
				if s.event <= up {
					f.ack(c.user, s.m.ID)
				}
			}
			c.next <- struct{}{}
		}
	case protocol.TypeRead:
		conv := f.convs[in.Read.Conversation]
		k := [2]int{conv, c.user}
		f.read[k] = max(f.read[k], in.Read.UpTo)
		f.got[k] = max(f.got[k], in.Read.UpTo)
	}
}

func (f *fake) ack(user int, m chat.MessageID) {
	if f.acked[user][m] {
		return
	}
	f.acked[user][m] = true
	for _, s := range f.logs[user] {
		if s.m.ID != m {
			continue
		}
		k := [2]int{s.conv, user}
		f.got[k] = max(f.got[k], m)
		status := "delivered"
		if f.sin == statusFalse {
			status = "read"
		}
		f.push(s.sender, fmt.Appendf(nil, `{"type":"message_status","payload":{"conversationId":%q,"status":%q,"userId":%q,"messageId":%q,"at":"2026-01-01T00:00:00.000Z"}}`,
			s.m.Conversation, status, f.p.User(user), m))
	}
}

func (f *fake) push(user int, b []byte) {
	if c := f.conns[user]; c != nil && c.live {
		select {
		case c.out <- b:
		default: // it doesn't read
		}
	}
}

func (f *fake) message(c *fakeConn, in *protocol.SendFrame) {
	if s, ok := f.byKey[in.ClientMessage]; ok {
		f.push(c.user, protocol.AppendMessage(nil, &s.m, 0, chat.Sent))
		return
	}
	f.n++
	sinful := f.n%sinEvery == 0
	s := stored{conv: f.convs[in.Conversation], sender: c.user}
	s.m = chat.Message{
		ID: chat.MessageID(f.nextID()), Conversation: in.Conversation, Sender: f.p.User(c.user), Content: in.Content, ContentType: in.ContentType,
		ClientMessageID: in.ClientMessage,
	}
	if old := f.history[s.conv]; f.sin == reorders && len(old) > 0 {
		s.m.ID = old[0].m.ID - chat.MessageID(len(old))
	}
	if f.sin == alters && sinful {
		s.m.Content = strings.Replace(s.m.Content, "fox", "dog", 1)
	}
	f.byKey[in.ClientMessage] = s
	if !(f.sin == forgetsHistory && sinful) {
		f.history[s.conv] = append(f.history[s.conv], s)
	}
	if f.sin == storesRefused && sinful {
		f.push(c.user, protocol.AppendError(nil, &chat.Error{Code: chat.CodeValidation, Field: "content"}, in.ClientMessage, 0))
	} else {
		f.push(c.user, protocol.AppendMessage(nil, &s.m, 0, chat.Sent))
	}
	f.fanOut(s, sinful)
	if f.sin == doubles && sinful {
		s.m.ID = chat.MessageID(f.nextID())
		f.history[s.conv] = append(f.history[s.conv], s)
		f.fanOut(s, false)
	}
}

// fanOut writes the members' logs and shows it to who is there.
func (f *fake) fanOut(s stored, sinful bool) {
	s.event = chat.EventID(f.nextID())
	to := make([]int, 0, 16)
	for k := range f.p.Size(s.conv) {
		if m := f.p.Member(s.conv, k); m != s.sender && !(f.sin == loses && sinful && len(to) == 0 && k > 0) {
			to = append(to, m)
		}
	}
	if f.sin == misdelivers && sinful {
		for u := range f.conns {
			if !f.p.Holds(s.conv, u) {
				to = append(to, u)
				break
			}
		}
	}
	for _, u := range to {
		f.logs[u] = append(f.logs[u], s)
		b := protocol.AppendMessage(nil, &s.m, s.event, 0)
		if f.sin == syncedLies && sinful {
			time.AfterFunc(1500*time.Millisecond, func() { // as late as a lie needs
				f.mu.Lock()
				defer f.mu.Unlock()
				f.push(u, b)
			})
			continue
		}
		f.push(u, b)
		if f.sin == repeats {
			f.push(u, b)
		}
	}
}

func (f *fake) messages(w http.ResponseWriter, r *http.Request) {
	c, _ := chat.ParseConversationID(r.PathValue("id"))
	since := r.URL.Query().Get("since")
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	more := false
	for _, s := range f.history[f.convs[c]] {
		if len(since) == id.TextLen && s.m.ID.String() <= since {
			continue
		}
		if len(out) == 100 {
			more = true
			break
		}
		out = append(out, string(protocol.AppendMessageObject(nil, &s.m, 0, 0)))
	}
	fmt.Fprintf(w, `{"messages":[%s],"hasMore":%v}`, strings.Join(out, ","), more)
}

func (f *fake) receipts(w http.ResponseWriter, r *http.Request) {
	c, _ := chat.ParseConversationID(r.PathValue("id"))
	f.mu.Lock()
	defer f.mu.Unlock()
	conv := f.convs[c]
	f.asked++
	var out []string
	for k := range f.p.Size(conv) {
		m := f.p.Member(conv, k)
		delivered, read := f.got[[2]int{conv, m}], f.read[[2]int{conv, m}]
		if f.sin == statusBack && f.asked%2 == 0 {
			delivered, read = 0, 0
		}
		out = append(out, fmt.Sprintf(`{"userId":%q,"deliveredTo":%q,"readTo":%q}`, f.p.User(m), delivered, read))
	}
	fmt.Fprintf(w, `{"receipts":[%s]}`, strings.Join(out, ","))
}
