package inbox

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/overload"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/faultstore"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// rig is a Log on a real store in memory, with the conversation of two people.
type rig struct {
	db     *pebblestore.DB
	store  store.Store
	faults *faultstore.Faults
	log    *Log
	notes  *notes
	busy   atomic.Bool // the store, as the log is told

	a, b chat.UserID
	conv chat.ConversationID
	ctx  context.Context
}

// notes is Receipts and Conversations: what was said of deliveries, memberships from the store.
type notes struct {
	store store.Store
	clock pebblestore.Clock

	mu      sync.Mutex
	shown   []chat.MessageID
	marks   map[chat.ConversationID]chat.MessageID
	horizon func() chat.MessageID
	wall    func() time.Time
}

func (n *notes) Delivered(_, _ chat.UserID, _ chat.ConversationID, m chat.MessageID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.shown = append(n.shown, m)
}

func (n *notes) MarkDelivered(_ chat.UserID, c chat.ConversationID, upTo chat.MessageID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.marks[c] = max(n.marks[c], upTo)
}

func (n *notes) mark(c chat.ConversationID) chat.MessageID {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.marks[c]
}

func (n *notes) Membership(ctx context.Context, c chat.ConversationID) (*chat.Membership, error) {
	return n.store.Members.Membership(ctx, c)
}

func (n *notes) Hydrate(context.Context, []chat.Message) error { return nil }

func (n *notes) MessageHorizon() chat.MessageID {
	n.mu.Lock()
	h := n.horizon
	n.mu.Unlock()
	if h != nil {
		return h()
	}
	return chat.MessageID(n.clock.Last())
}

func (n *notes) now() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wall != nil {
		return n.wall()
	}
	return time.Now()
}

func (n *notes) setWall(f func() time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wall = f
}

type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Context() context.Context
}

func newRig(t testing.TB, run bool) *rig {
	t.Helper()
	r, stop := startRig(t, run)
	t.Cleanup(stop)
	return r
}

// startRig makes a rig; stop ends it.
func startRig(t fataler, run bool) (r *rig, stop func()) {
	t.Helper()
	db, err := pebblestore.Open(pebblestore.Options{Dir: "data", FS: vfs.NewMem(), MemTableBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r = &rig{db: db, faults: faultstore.New(1), a: chat.NewUserID(time.Now()), b: chat.NewUserID(time.Now()), ctx: context.Background()}
	r.store = r.faults.Wrap(db.Ports())
	r.notes = &notes{store: db.Ports(), clock: db.Clock(), marks: make(map[chat.ConversationID]chat.MessageID)}
	r.log = New(Options{
		Store: r.store, Receipts: r.notes, Conversations: r.notes, Logger: slog.New(slog.DiscardHandler),
		FirstVerify: 5 * time.Millisecond, VerifyInterval: 10 * time.Millisecond, Now: r.notes.now, Load: overload.Signals{Busy: r.busy.Load},
	})
	r.conv = chat.DirectID(r.a, r.b)
	if err := r.store.Members.CreateDirect(r.ctx, chat.Conversation{ID: r.conv, Kind: chat.Direct}, r.a, r.b); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if run {
			_ = r.log.Run(ctx)
		}
	}()
	return r, func() {
		cancel()
		<-done
		r.log.wg.Wait()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// device makes a device of b with its cursor at the log's start.
func (r *rig) device(t fataler) chat.DeviceID {
	t.Helper()
	id := chat.NewDeviceID(time.Now())
	if err := r.store.Devices.Put(r.ctx, chat.Device{User: r.b, ID: id, CreatedAt: 1}); err != nil {
		t.Fatal(err)
	}
	return id
}

func (r *rig) nextID(t fataler) chat.MessageID {
	t.Helper()
	n, err := r.db.Clock().Next()
	if err != nil {
		t.Fatal(err)
	}
	return chat.MessageID(n)
}

// post stores a message of a to b and returns its push, not offered to anyone.
func (r *rig) post(t fataler, text string) *chat.Push {
	t.Helper()
	return r.postAs(t, r.nextID(t), r.conv, chat.Direct, text, r.b)
}

func (r *rig) postAs(t fataler, id chat.MessageID, c chat.ConversationID, kind chat.Kind, text string, to ...chat.UserID) *chat.Push {
	t.Helper()
	m := chat.Message{ID: id, Conversation: c, Sender: r.a, ContentType: chat.Text, Content: text, ClientMessageID: chat.NewClientMessageID(time.Now())}
	if kind == chat.Channel {
		to = []chat.UserID{chat.ChannelLog(c)}
	}
	e, err := r.store.Messages.Append(r.ctx, &store.Append{Message: m, Kind: kind, Recipients: to,
		Claim: store.Claim{User: r.a, ClientMessage: m.ClientMessageID, Message: id, Conversation: c}})
	if err != nil {
		t.Fatal(err)
	}
	p := &chat.Push{Kind: chat.PushMessage, Recipients: to, Message: &m,
		Event: chat.Event{ID: e, Kind: chat.EventMessage, Conversation: c, Message: id, Actor: r.a}}
	if kind == chat.Channel {
		p.Channel, p.Recipients = true, nil
	}
	return p
}

// stored is a device's row.
func (r *rig) stored(t fataler, id chat.DeviceID) chat.Device {
	t.Helper()
	d, err := r.store.Devices.Get(r.ctx, r.b, id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// phone is a connected device of b: a Sink that keeps what it is sent.
type phone struct {
	r   *rig
	id  chat.DeviceID
	dev Device

	mu      sync.Mutex
	changed chan struct{}
	refuse  bool
	got     []chat.Push // in the order they came
	batches []Batch
	synced  []int64
	gaps    []chat.EventID
	stale   int
	lines   []string // what came, in order
}

func (r *rig) connect(t fataler, id chat.DeviceID, back chat.EventID) *phone {
	t.Helper()
	p := &phone{r: r, id: id, changed: make(chan struct{}, 1)}
	p.dev.Release(r.open(t, p, back))
	return p
}

// open does what the gateway does with a connection that was entered everywhere, up to Release.
func (r *rig) open(t fataler, p *phone, back chat.EventID) Place {
	t.Helper()
	place := r.log.Place(r.stored(t, p.id), back)
	if _, err := r.log.Look(r.ctx, &place); err != nil {
		t.Fatal(err)
	}
	p.dev.Hold()
	r.log.Open(&p.dev, place, p)
	return place
}

func (p *phone) note(line string, do func()) {
	p.mu.Lock()
	p.lines = append(p.lines, line)
	do()
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

func (p *phone) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refuse
}

func (p *phone) setFull(on bool) {
	p.mu.Lock()
	p.refuse = on
	p.mu.Unlock()
}

func (p *phone) Batch(b Batch) bool {
	if p.full() {
		return false
	}
	p.note("batch", func() { p.batches, p.got = append(p.batches, b), append(p.got, b.Items...) })
	return true
}

func (p *phone) Push(x *chat.Push) bool {
	if p.full() {
		return false
	}
	p.note("push", func() { p.got = append(p.got, *x) })
	return true
}

func (p *phone) Synced(upTo int64)     { p.note("synced", func() { p.synced = append(p.synced, upTo) }) }
func (p *phone) Gap(from chat.EventID) { p.note("gap", func() { p.gaps = append(p.gaps, from) }) }
func (p *phone) Stale()                { p.note("stale", func() { p.stale++ }) }

// show does what the gateway does with a live push.
func (p *phone) show(x *chat.Push) bool {
	if !p.dev.Offer(x) {
		return false
	}
	if !p.Push(x) {
		p.dev.Behind(x)
		return false
	}
	return true
}

// until waits for a condition on what the phone was sent, or on anything else that changes with time.
func (p *phone) until(t fataler, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		p.mu.Lock()
		done := ok()
		p.mu.Unlock()
		if done {
			return
		}
		select {
		case <-p.changed:
		case <-tick.C:
		case <-deadline:
			p.mu.Lock()
			lines := slices.Clone(p.lines)
			p.mu.Unlock()
			p.dev.mu.Lock()
			st := fmt.Sprintf("state %d missed %v batch %v stepping %v waiting %v unacked %d", p.dev.state, p.dev.missed, p.dev.batch, p.dev.stepping, p.dev.waiting, p.dev.unacked())
			p.dev.mu.Unlock()
			t.Fatalf("no %s in 10 s; %s; the phone got %d lines, the last %v", what, st, len(lines), lines[max(0, len(lines)-10):])
		}
	}
}

// resting reports whether the device waits for its idle read.
func (p *phone) resting() bool {
	l := p.r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	return p.dev.where == inIdle
}

func (p *phone) untilSynced(t fataler, n int) {
	t.Helper()
	p.until(t, "synced", func() bool { return len(p.synced) >= n })
}

func (p *phone) ackAllBatches(t fataler) {
	t.Helper()
	for n := 0; ; n++ {
		p.until(t, "batch or synced", func() bool { return len(p.batches) > n || len(p.synced) > 0 })
		p.mu.Lock()
		if len(p.batches) <= n {
			p.mu.Unlock()
			return
		}
		last := p.batches[n].Last
		p.mu.Unlock()
		p.dev.AckBatch(last)
	}
}

func (p *phone) messages() []chat.MessageID {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []chat.MessageID
	for i := range p.got {
		if p.got[i].Kind == chat.PushMessage {
			out = append(out, p.got[i].Message.ID)
		}
	}
	return out
}

func (p *phone) close(t fataler) {
	t.Helper()
	if err := p.dev.Close(p.r.ctx); err != nil {
		t.Fatal(err)
	}
}

func TestIdleDeviceIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Device{}); n > 200 {
		t.Errorf("an idle Device takes %d bytes, want at most 200: there may be a million", n)
	}
}
