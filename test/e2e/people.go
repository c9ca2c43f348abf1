package e2e

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
	"github.com/murre-chat/murre/pkg/protocol"
)

// patience bounds every wait of the suite; nothing waits that long when all is well.
const patience = 30 * time.Second

var serial atomic.Int64

// person is a user of the server.
type person struct {
	t     *testing.T
	url   string
	rest  *client.REST
	id    chat.UserID
	name  string
	token string
}

// people registers users, spread over the harness's servers.
func people(t *testing.T, h Harness, names ...string) []*person {
	t.Helper()
	out := make([]*person, len(names))
	urls := h.URLs()
	for i, n := range names {
		url := urls[i%len(urls)]
		rest, err := client.NewREST(url, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("%s%d", n, serial.Add(1))
		account, err := rest.Register(ctx(t), name, "correct horse", strings.ToUpper(n[:1])+n[1:])
		if err != nil {
			t.Fatalf("register %s: %v", name, err)
		}
		out[i] = &person{t: t, url: url, rest: rest.WithToken(account.Token), id: account.User.ID, name: name, token: account.Token}
	}
	return out
}

// ctx is a context that ends with the patience.
func ctx(t *testing.T) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return c
}

// device is one connected device of a person, with everything it was told.
type device struct {
	*client.Client
	p *person

	mu     sync.Mutex
	events []*client.Event
	more   chan struct{} // closed and replaced when events grows
	conns  []net.Conn
}

// connect connects a device of the person; zero makes a new one.
func (p *person) connect(id chat.DeviceID) *device {
	p.t.Helper()
	d, err := p.dial(id)
	if err != nil {
		p.t.Fatalf("%s connects: %v", p.name, err)
	}
	if _, err := d.WaitSynced(ctx(p.t)); err != nil {
		p.t.Fatalf("%s catches up: %v", p.name, err)
	}
	return d
}

func (p *person) dial(id chat.DeviceID) (*device, error) {
	d := &device{p: p, more: make(chan struct{})}
	c, err := client.Dial(ctx(p.t), client.Options{
		URL: p.url, Token: p.token, Device: id, BackoffMin: 10 * time.Millisecond, BackoffMax: 200 * time.Millisecond, AckDelay: 5 * time.Millisecond,
		Handler: client.HandlerFunc(func(_ context.Context, e *client.Event) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.events = append(d.events, e)
			close(d.more)
			d.more = make(chan struct{})
			return nil
		}),
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err == nil {
				d.mu.Lock()
				d.conns = append(d.conns, c)
				d.mu.Unlock()
			}
			return c, err
		},
	})
	if err != nil {
		return nil, err
	}
	d.Client = c
	p.t.Cleanup(c.Close)
	return d, nil
}

// cut breaks the device's connection as a lost network does.
func (d *device) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		_ = c.Close() // a closed one stays closed
	}
	d.conns = nil
}

// await waits until what the device was told satisfies enough.
func (d *device) await(what string, enough func(events []*client.Event) bool) {
	d.p.t.Helper()
	deadline := time.After(patience)
	for {
		d.mu.Lock()
		events, more := slices.Clone(d.events), d.more
		d.mu.Unlock()
		if enough(events) {
			return
		}
		select {
		case <-more:
		case <-deadline:
			d.p.t.Fatalf("%s waited in vain for %s; it was told %s", d.p.name, what, summary(events))
		}
	}
}

func summary(events []*client.Event) string {
	counts := map[string]int{}
	for _, e := range events {
		counts[e.Type.String()]++
	}
	return fmt.Sprint(counts)
}

// messages are the messages of a conversation that the device was told, in the order it was told them.
func (d *device) messages(conv chat.ConversationID) []protocol.Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []protocol.Message
	for _, e := range d.events {
		if e.Message != nil && e.Message.Conversation == conv {
			out = append(out, *e.Message)
		}
	}
	return out
}

// receives waits for messages with these contents, from others, in the order of their ids; each exactly once.
func (d *device) receives(conv chat.ConversationID, contents ...string) []protocol.Message {
	d.p.t.Helper()
	var got []protocol.Message
	d.await(fmt.Sprintf("%d messages", len(contents)), func([]*client.Event) bool {
		got = got[:0]
		for _, m := range d.messages(conv) {
			if m.Sender != d.p.id {
				got = append(got, m)
			}
		}
		return len(got) >= len(contents)
	})
	slices.SortFunc(got, func(a, b protocol.Message) int { return int(min(max(a.ID-b.ID, -1), 1)) })
	for i, m := range got {
		if i >= len(contents) || m.Content != contents[i] {
			d.p.t.Fatalf("%s: message %d of %d is %q, want %q", d.p.name, i, len(got), m.Content, contents[min(i, len(contents)-1)])
		}
	}
	return got
}

// told waits until a message with this content came. What came before a device left may come again: its ack may have been
// on its way.
func (d *device) told(conv chat.ConversationID, content string) {
	d.p.t.Helper()
	d.await(content, func([]*client.Event) bool { return slices.Contains(contents(d.messages(conv)), content) })
}

// status waits until a message has a status by a user.
func (d *device) status(s chat.Status, by chat.UserID, m chat.MessageID) {
	d.p.t.Helper()
	d.await(fmt.Sprintf("%v by %v", s, by), func(events []*client.Event) bool {
		for _, e := range events {
			if e.Status == nil || e.Status.User != by {
				continue
			}
			switch e.Status.Status {
			case s.String():
				if e.Status.Message == m || slices.Contains(e.Status.Messages, m) || (s == chat.Read && e.Status.Message >= m) {
					return true
				}
			}
		}
		return false
	})
}

// says sends a message and fails the test if it isn't stored.
func (d *device) says(conv chat.ConversationID, content string) protocol.Message {
	d.p.t.Helper()
	m, err := d.Send(ctx(d.p.t), client.Outgoing{Conversation: conv, Content: content})
	if err != nil {
		d.p.t.Fatalf("%s says %q: %v", d.p.name, content, err)
	}
	if m.Status != "sent" || m.ID == 0 || m.Content != content {
		d.p.t.Fatalf("%s: the ack is %+v", d.p.name, m)
	}
	return m
}

// direct makes or finds the conversation of two people.
func (p *person) direct(o *person) chat.ConversationID {
	p.t.Helper()
	c, err := p.rest.Direct(ctx(p.t), o.id)
	if err != nil {
		p.t.Fatalf("%s opens a conversation with %s: %v", p.name, o.name, err)
	}
	return c.ID
}

// history reads the whole history of a conversation, oldest first.
func (p *person) history(conv chat.ConversationID) []protocol.Message {
	p.t.Helper()
	var all []protocol.Message
	before := chat.MessageID(0)
	for {
		page, err := p.rest.History(ctx(p.t), conv, client.HistoryQuery{Before: before, Limit: 100})
		if err != nil {
			p.t.Fatalf("%s reads the history: %v", p.name, err)
		}
		all = append(slices.Clone(page.Messages), all...)
		if !page.HasMore || len(page.Messages) == 0 {
			return all
		}
		before = page.Messages[0].ID
	}
}

func contents(ms []protocol.Message) []string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = m.Content
	}
	return out
}

// wants fails unless err is the server's error of a code.
func wants(t *testing.T, what string, err error, code chat.Code) {
	t.Helper()
	if err == nil || chat.CodeOf(err) != code {
		t.Errorf("%s: %v, want %v", what, err, code)
	}
}
