package pebblestore

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	cutSenders  = 8
	cutMessages = 200 // a seed
	cutDir      = "var/murre/data"
)

// acked is a message whose Append returned before the power was cut.
type acked struct {
	message chat.Message
	claim   store.Claim
	event   chat.EventID
	to      []chat.UserID
}

// cutRun is one seed: senders at work, the power cut at a random write, and what the disk then held.
type cutRun struct {
	cut    atomic.Bool
	left   atomic.Int64 // writes until the cut
	clone  *vfs.MemFS
	mem    *vfs.MemFS
	rng    *rand.Rand
	mu     sync.Mutex
	acked  []acked
	tried  map[chat.ClientMessageID]bool
	before chat.MessageID // the largest id made before the cut
}

func (r *cutRun) MaybeError(op errorfs.Op) error {
	switch op.Kind {
	case errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpCreate, errorfs.OpRename, errorfs.OpRemove:
		if r.left.Add(-1) == 0 {
			r.cutPower()
		}
	}
	return nil
}

func (r *cutRun) String() string { return "power cut" }

func (r *cutRun) cutPower() {
	r.cut.Store(true) // first: what is acked from now on isn't owed
	r.clone = r.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: r.rng.IntN(101), RNG: r.rng})
}

var quiet = slog.New(slog.DiscardHandler)

func runCut(t *testing.T, seed uint64, noSync bool) *cutRun {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	r := &cutRun{mem: vfs.NewCrashableMem(), rng: rng, tried: make(map[chat.ClientMessageID]bool)}
	cutAt := int64(1 + rng.IntN(300))
	r.left.Store(1 << 60)
	o := Options{Dir: cutDir, FS: errorfs.Wrap(r.mem, r), MemTableBytes: 64 << 10, Logger: quiet, NoSync: noSync}
	d, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	users := randomUsers(16)
	r.left.Store(cutAt)
	var wg sync.WaitGroup
	for s := range cutSenders {
		srng := rand.New(rand.NewPCG(seed, uint64(s)+2))
		wg.Go(func() {
			for range cutMessages / cutSenders {
				if r.cut.Load() || !r.send(t, d, users, s, srng) {
					return
				}
			}
		})
	}
	wg.Wait()
	if r.left.Add(-1 << 40); !r.cut.Load() {
		r.cutPower() // fewer writes than expected: cut after the last
	}
	r.before = chat.MessageID(d.Clock().Last())
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *cutRun) send(t *testing.T, d *DB, users []chat.UserID, s int, rng *rand.Rand) bool {
	next, err := d.Clock().Next()
	if err != nil {
		t.Error(err)
		return false
	}
	from := users[s]
	to := []chat.UserID{users[cutSenders+rng.IntN(8)]}
	if rng.IntN(4) == 0 {
		to = append(users[:s:s], users[s+1:]...) // a group
	}
	conv := chat.DirectID(from, to[0])
	key := chat.NewClientMessageID(time.Now())
	m := chat.Message{ID: chat.MessageID(next), Conversation: conv, Sender: from, ClientMessageID: key, ContentType: chat.Text, Content: fmt.Sprint("text ", next)}
	c := store.Claim{User: from, ClientMessage: key, Message: m.ID, Conversation: conv}
	r.mu.Lock()
	r.tried[key] = true
	r.mu.Unlock()
	ev, err := d.Ports().Messages.Append(t.Context(), &store.Append{Message: m, Kind: chat.Direct, Claim: c, Recipients: to})
	if err != nil {
		t.Error(err)
		return false
	}
	if r.cut.Load() {
		return false
	}
	r.mu.Lock()
	r.acked = append(r.acked, acked{m, c, ev, to})
	r.mu.Unlock()
	return true
}

// check opens what the disk held after the cut and returns the first broken promise.
func (r *cutRun) check(ctx context.Context) error {
	d, err := Open(Options{Dir: cutDir, FS: r.clone, MemTableBytes: 64 << 10, Logger: quiet})
	if err != nil {
		return fmt.Errorf("open after the cut: %w", err)
	}
	defer d.Close()
	p := d.Ports()
	logs := make(map[chat.UserID]map[chat.EventID]chat.MessageID)
	for _, a := range r.acked {
		if err := r.checkRow(ctx, p, a); err != nil {
			return err
		}
		for _, u := range a.to {
			if logs[u] == nil {
				if logs[u], err = readWholeLog(ctx, p, u); err != nil {
					return err
				}
			}
			if logs[u][a.event] != a.message.ID {
				return fmt.Errorf("acked message %s: event %s is missing from the log of %s", a.message.ID, a.event, u)
			}
		}
	}
	next, err := d.Clock().Next()
	if err != nil {
		return err
	}
	if chat.MessageID(next) <= r.before {
		return fmt.Errorf("id %s after restart, %s was made before", next, r.before)
	}
	ev, err := p.Inbox.Append(ctx, store.Fanout{Event: chat.Event{Kind: chat.EventConversation}, Recipients: []chat.UserID{{1}}})
	if err != nil {
		return err
	}
	if ev <= chat.EventID(r.before) {
		return fmt.Errorf("event %s after restart, %s was made before", ev, r.before)
	}
	return nil
}

func (r *cutRun) checkRow(ctx context.Context, p store.Store, a acked) error {
	page, err := p.Messages.History(ctx, store.History{Conversation: a.message.Conversation, Kind: chat.Direct, Limit: 1000})
	if err != nil {
		return err
	}
	found, last := 0, chat.MessageID(0)
	for _, m := range page {
		if m.ID <= last {
			return fmt.Errorf("history out of order at %s", m.ID)
		}
		last = m.ID
		if !r.tried[m.ClientMessageID] {
			return fmt.Errorf("history holds %s, which nobody sent", m.ID)
		}
		if m.ClientMessageID == a.message.ClientMessageID {
			found++
			if m.ID != a.message.ID || m.Content != a.message.Content {
				return fmt.Errorf("message %s came back as %+v", a.message.ID, m)
			}
		}
	}
	if found != 1 {
		return fmt.Errorf("acked message %s: %d times in history", a.message.ID, found)
	}
	if c, err := p.Claims.Get(ctx, a.claim.User, a.claim.ClientMessage); err != nil || c != a.claim {
		return fmt.Errorf("acked message %s: claim %+v: %w", a.message.ID, c, err)
	}
	return nil
}

func readWholeLog(ctx context.Context, p store.Store, u chat.UserID) (map[chat.EventID]chat.MessageID, error) {
	out := make(map[chat.EventID]chat.MessageID)
	for at := chat.EventID(0); ; {
		page, err := p.Inbox.Read(ctx, u, at, 50)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			if e.ID <= at {
				return nil, fmt.Errorf("log of %s out of order at %s", u, e.ID)
			}
			at = e.ID
			out[e.ID] = e.Message
		}
		if !page.More {
			return out, nil
		}
	}
}

func cutSeeds(t *testing.T) uint64 {
	v := os.Getenv("MURRE_POWERCUT_SEEDS")
	if v == "" {
		return 25
	}
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil {
		t.Fatalf("MURRE_POWERCUT_SEEDS: %v", err)
	}
	return n
}

// TestPowerCut cuts the power at a random write, by seed: what was acked before is there after.
// MURRE_POWERCUT_SEEDS sets how many seeds, default 25.
func TestPowerCut(t *testing.T) {
	began, owed := time.Now(), 0
	n := cutSeeds(t)
	for seed := range n {
		r := runCut(t, seed, false)
		if err := r.check(t.Context()); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		owed += len(r.acked)
	}
	t.Logf("%d seeds, %d acked messages checked, %.1f seeds/s", n, owed, float64(n)/time.Since(began).Seconds())
}

// TestPowerCutFindsMissingSync shows that the test above would see an engine that acks before it syncs.
func TestPowerCutFindsMissingSync(t *testing.T) {
	for seed := range uint64(25) {
		if err := runCut(t, seed, true).check(t.Context()); err != nil {
			t.Logf("seed %d: %v", seed, err)
			return
		}
	}
	t.Fatal("25 power cuts without a sync lost nothing: the test is blind")
}
