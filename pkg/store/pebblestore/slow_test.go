package pebblestore

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// gate holds syncs of the log back while it is closed.
type gate struct {
	mu     sync.RWMutex
	held   atomic.Int64
	closed atomic.Bool
}

func (g *gate) close() { g.mu.Lock(); g.closed.Store(true) }
func (g *gate) open()  { g.closed.Store(false); g.mu.Unlock() }

func (g *gate) MaybeError(op errorfs.Op) error {
	if g.closed.Load() && strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync) {
		g.held.Add(1)
		g.mu.RLock()
		defer g.mu.RUnlock()
	}
	return nil
}

func (g *gate) String() string { return "gate" }

// TestHangingSweep: the disk hangs in a write of the store's own: somebody must still look after those who wait.
func TestHangingSweep(t *testing.T) {
	g := &gate{}
	d, err := Open(Options{Dir: "data", FS: errorfs.Wrap(vfs.NewMem(), g), Logger: quiet, StallAfter: 100 * time.Millisecond, SweepEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	u := few(t, d)[0].to[0]
	g.close()
	waitFor(t, "sweep that hangs", func() bool { return g.held.Load() > 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	f := store.Fanout{Event: chat.Event{Kind: chat.EventConversation}, Recipients: []chat.UserID{u}}
	if _, err := d.Ports().Inbox.Append(ctx, f); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("want ErrUnavailable before the caller's own deadline, got %v", err)
	}
	g.open()
	waitFor(t, "ready store", func() bool { return d.Ping(t.Context()) == nil })
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestHangingDisk: writers that wait for a sync that hangs are answered in time, by their context, by the bound of the
// queue or by the watch; reads go on and don't see what isn't synced; and all is well when the disk goes on.
func TestHangingDisk(t *testing.T) {
	g := &gate{}
	d, err := Open(Options{Dir: "data", FS: errorfs.Wrap(vfs.NewMem(), g), Logger: quiet, StallAfter: time.Second, MaxWaiting: 4})
	if err != nil {
		t.Fatal(err)
	}
	p := d.Ports()
	all := few(t, d)
	u := all[0].to[0]
	horizon := p.Inbox.Horizon()
	g.close()
	send := func(ctx context.Context) error {
		_, err := p.Inbox.Append(ctx, store.Fanout{Event: chat.Event{Kind: chat.EventConversation}, Recipients: []chat.UserID{u}})
		return err
	}
	hung := make(chan error, 1)
	go func() { hung <- send(t.Context()) }()
	waitFor(t, "sync that hangs", func() bool { return g.held.Load() > 0 })

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := send(ctx); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	var refused atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			err := send(t.Context())
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("want ErrUnavailable, got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "too many") {
				refused.Add(1)
			}
		})
	}
	page, err := p.Inbox.Read(t.Context(), u, 0, 1000)
	if err != nil || len(page.Events) != len(all) || page.Horizon != horizon || p.Inbox.Horizon() != horizon {
		t.Fatalf("a read saw what isn't synced: %d events of %d, %v", len(page.Events), len(all), err)
	}
	wg.Wait()
	if err := <-hung; !errors.Is(err, store.ErrUnavailable) {
		t.Fatal(err)
	}
	if refused.Load() < 16 {
		t.Errorf("%d of 20 refused at once, though only 4 may wait", refused.Load())
	}
	if err := d.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Fatal(err)
	}
	g.open()
	waitFor(t, "ready store", func() bool { return d.Ping(t.Context()) == nil })
	checkAcked(t, d, append(all, few(t, d)...))
	if page, err = p.Inbox.Read(t.Context(), u, horizon, 1000); err != nil || len(page.Events) != 1 {
		t.Fatalf("%d events: want the one under way, and none of those refused or given up: %v", len(page.Events), err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
