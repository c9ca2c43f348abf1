package cqlstore

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// settle waits until the horizon has passed what was written before.
func settle(d *DB) func(context.Context) error {
	return func(ctx context.Context) error {
		n, err := d.event()
		if err != nil {
			return err
		}
		for (inbox{d}).Horizon() < n {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(5 * time.Millisecond):
			}
		}
		return nil
	}
}

// TestDelivery runs the tests of this engine's own promises in one keyspace.
func TestDelivery(t *testing.T) {
	r := &rig{hosts: servers.CQL(t)}
	r.keyspace = testKeyspace(t, r.hosts, map[string]int{"dc1": 1})
	for _, c := range []struct {
		name string
		run  func(*testing.T, *rig)
	}{
		{"append acks only what is whole", testAppendWhole},
		{"slow writes are told again", testSlowWrites},
		{"rows of a message go together", testRowsTogether},
		{"a fan-out without helpers", testFanoutWithoutHelpers},
		{"nothing outranks a deletion", testDeletion},
		{"edits converge", testEditsConverge},
		{"pages pass over buried messages", testBuriedPages},
		{"a log over days", testLogOverDays},
		{"a new log", testNewLog},
		{"claims settle what was not answered", testClaimFaults},
		{"cursors have generations", testCursorGenerations},
		{"a removed device comes back", testDeviceComesBack},
		{"a change is told by somebody", testChangeFaults},
		{"concurrent changes", testConcurrentChanges},
		{"large changes", testLargeChange},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, r) })
	}
}

// rig is a keyspace that a test's gateways share.
type rig struct {
	hosts    []string
	keyspace string
}

func (r *rig) open(t testing.TB, lag time.Duration) *DB {
	t.Helper()
	return openTest(t, Options{Hosts: r.hosts, Keyspace: r.keyspace, Lag: lag})
}

// faulty lets one statement of an operation fail: not done at all, or done with the answer lost.
type faulty struct {
	purpose string
	n       int // which of that purpose, from 1
	after   bool

	mu   sync.Mutex
	seen int
	hit  bool
}

var errFault = errors.New("the wire was cut")

func (f *faulty) intercept(_ context.Context, s *statement, run func() error) error {
	f.mu.Lock()
	fail := false
	if purposeNames[s.purpose] == f.purpose {
		f.seen++
		fail = f.seen == f.n
		f.hit = f.hit || fail
	}
	f.mu.Unlock()
	if !fail {
		return run()
	}
	if f.after {
		if err := run(); err != nil {
			return err
		}
	}
	return errFault
}

func (d *DB) intercepted(hook intercept, do func()) {
	d.hook.Store(&hook)
	defer d.hook.Store(nil)
	do()
}

func newMessage(t testing.TB, d *DB, kind chat.Kind, to ...chat.UserID) *store.Append {
	t.Helper()
	now := time.Now()
	n, err := (*d.clock.Load()).Next()
	if err != nil {
		t.Fatal(err)
	}
	m := chat.Message{ID: chat.MessageID(n), Conversation: chat.NewConversationID(now), Sender: chat.NewUserID(now), ClientMessageID: chat.NewClientMessageID(now), ContentType: chat.Text, Content: "hello"}
	return &store.Append{Message: m, Kind: kind, Recipients: to,
		Claim: store.Claim{User: m.Sender, ClientMessage: m.ClientMessageID, Message: m.ID, Conversation: m.Conversation, Digest: [16]byte{1}}}
}

func (d *DB) logSince(t testing.TB, u chat.UserID, after chat.EventID) []chat.Event {
	t.Helper()
	p, err := inbox{d}.Read(t.Context(), u, after, maxLogPage)
	if err != nil {
		t.Fatal(err)
	}
	return p.Events
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// setClock is a clock that is set by hand.
type setClock struct {
	*id.Clock
	mu  sync.Mutex
	off time.Duration
	err error
}

func (c *setClock) Time() (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off), c.err
}

func (c *setClock) set(off time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off, c.err = off, err
}
