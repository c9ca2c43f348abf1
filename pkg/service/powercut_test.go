package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/murre-chat/murre/pkg/admit/localadmit"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/inbox"
	"github.com/murre-chat/murre/pkg/presence/localpresence"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

const (
	cutSenders   = 8
	cutReceivers = 4
	cutMessages  = 200 // a seed
)

// outage is one seed: senders and receivers at work, the power cut at a random write, and life after it.
type outage struct {
	t      *testing.T
	rng    *rand.Rand
	mem    *vfs.MemFS
	clone  *vfs.MemFS
	noSync bool

	cut  atomic.Bool
	left atomic.Int64 // writes to the disk until the cut

	senders, receivers []Caller
	group              chat.ConversationID
	sent               [][]*attempt // by sender, in the order of sending
	largest            atomic.Int64 // id acked before the cut

	mu    sync.Mutex
	acked map[chat.UserID]map[chat.MessageID]bool // what receivers acked, and the cut let stand or not
}

// attempt is one message of a sender, and its answer.
type attempt struct {
	req   SendRequest
	to    []chat.UserID
	known bool // its ack came before the cut
	id    chat.MessageID
}

// MaybeError implements errorfs.Injector.
func (o *outage) MaybeError(op errorfs.Op) error {
	switch op.Kind {
	case errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpCreate, errorfs.OpRename, errorfs.OpRemove:
		if o.left.Add(-1) == 0 {
			o.cutPower()
		}
	}
	return nil
}

func (o *outage) String() string { return "power cut" }

func (o *outage) cutPower() {
	o.cut.Store(true) // first: what is acked from now on isn't owed
	o.clone = o.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: o.rng.IntN(101), RNG: o.rng})
}

// server is a service with its store and its log.
type server struct {
	*Service
	db   *pebblestore.DB
	log  *inbox.Log
	stop func()
}

func (o *outage) open(fs vfs.FS) (*server, error) {
	log := slog.New(slog.DiscardHandler)
	db, err := pebblestore.Open(pebblestore.Options{Dir: "data", FS: fs, MemTableBytes: 64 << 10, Logger: log, NoSync: o.noSync})
	if err != nil {
		return nil, err
	}
	ports := db.Ports()
	s := &server{db: db}
	s.Service = New(Options{
		Store: ports, Clock: db.Clock(), Router: &devices{}, Log: log, Presence: localpresence.New(localpresence.Options{Users: ports.Users, Log: log}),
		Admit: localadmit.New(localadmit.Options{Claims: ports.Claims}),
	})
	s.log = inbox.New(inbox.Options{
		Store: ports, Receipts: s.Service, Conversations: s.Service, Logger: log, FirstVerify: time.Millisecond, VerifyInterval: time.Millisecond,
	})
	s.router.(*devices).log = s.log
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Service.Run(ctx) })
	wg.Go(func() { _ = s.log.Run(ctx) })
	s.stop = func() {
		cancel()
		wg.Wait()
	}
	return s, nil
}

// prepare makes the people and the group, before the power may be cut.
func (o *outage) prepare(s *server) error {
	ctx := context.Background()
	person := func(n int) (Caller, error) {
		u := chat.User{ID: chat.NewUserID(time.Now()), DisplayName: "x", CreatedAt: 1}
		u.Username = fmt.Sprintf("u%d%s", n, u.ID.String()[28:])
		return Caller{User: u.ID, Device: chat.NewDeviceID(time.Now())}, s.store.Users.Create(ctx, u)
	}
	for n := range cutSenders + cutReceivers {
		c, err := person(n)
		if err != nil {
			return err
		}
		if n < cutSenders {
			o.senders = append(o.senders, c)
		} else {
			o.receivers = append(o.receivers, c)
		}
	}
	v, _, err := s.CreateConversation(ctx, o.senders[0], CreateConversation{Kind: chat.Group, Name: "all", Participants: append(ids(o.senders[1:]...), ids(o.receivers...)...)})
	if err != nil {
		return err
	}
	o.group = v.ID
	for _, a := range o.senders {
		for _, b := range o.receivers {
			if _, _, err := s.CreateConversation(ctx, a, CreateConversation{Kind: chat.Direct, Participants: []chat.UserID{b.User}}); err != nil {
				return err
			}
		}
	}
	for _, c := range o.receivers {
		if _, err := o.connect(s, c); err != nil {
			return err
		}
	}
	return nil
}

// request makes the next message of a sender.
func (o *outage) request(n int, rng *rand.Rand) *attempt {
	a := &attempt{req: request(o.group, fmt.Sprint(n, " ", len(o.sent[n])))}
	a.to = append(ids(o.senders...), ids(o.receivers...)...)
	if rng.IntN(4) > 0 {
		to := o.receivers[rng.IntN(cutReceivers)].User
		a.req.Conversation, a.to = chat.DirectID(o.senders[n].User, to), []chat.UserID{to}
	}
	a.to = slices.DeleteFunc(a.to, func(u chat.UserID) bool { return u == o.senders[n].User })
	return a
}

// before lets everybody send until the power is cut.
func (o *outage) before(seed uint64) error {
	s, err := o.open(errorfs.Wrap(o.mem, o))
	if err != nil {
		return err
	}
	if err := o.prepare(s); err != nil {
		return err
	}
	o.sent = make([][]*attempt, cutSenders)
	o.left.Store(int64(1 + o.rng.IntN(150)))
	var wg sync.WaitGroup
	for n := range cutSenders {
		rng := rand.New(rand.NewPCG(seed, uint64(n)+2))
		wg.Go(func() {
			for range cutMessages / cutSenders {
				a := o.request(n, rng)
				o.sent[n] = append(o.sent[n], a)
				res, err := s.Send(context.Background(), o.senders[n], a.req)
				if err != nil {
					o.t.Errorf("send: %v", err)
				}
				if o.cut.Load() {
					return // the answer never came
				}
				a.known, a.id = true, res.Message.ID
				for {
					if old := o.largest.Load(); old >= int64(a.id) || o.largest.CompareAndSwap(old, int64(a.id)) {
						break
					}
				}
			}
		})
	}
	wg.Wait()
	if o.left.Add(-1 << 40); !o.cut.Load() {
		o.cutPower() // fewer writes than expected: cut after the last
	}
	s.stop()
	for _, r := range s.router.(*devices).all {
		r.acks.Wait()
	}
	return s.db.Close()
}

// after opens what the disk held, sends again what wasn't acked, and returns the first broken promise.
func (o *outage) after() (err error) {
	o.noSync = false
	s, err := o.open(o.clone)
	if err != nil {
		return fmt.Errorf("open after the cut: %w", err)
	}
	defer func() {
		s.stop()
		for _, r := range s.router.(*devices).all {
			r.acks.Wait()
		}
		err = errors.Join(err, s.db.Close())
	}()
	ctx := context.Background()
	var receivers []*receiver
	for _, c := range o.receivers {
		if err := o.honest(s, c); err != nil {
			return err
		}
		r, err := o.connect(s, c)
		if err != nil {
			return err
		}
		receivers = append(receivers, r)
	}
	for n, list := range o.sent {
		for _, a := range list {
			if a.known && o.rng.IntN(8) > 0 {
				continue
			}
			known := a.id
			a.req.Resend = true
			res, err := s.Send(ctx, o.senders[n], a.req)
			if err != nil {
				return fmt.Errorf("send again: %w", err)
			}
			if a.id = res.Message.ID; a.known && a.id != known {
				return fmt.Errorf("message %s was acked, its resend made %s", known, a.id)
			}
		}
	}
	for n := range o.sent { // and go on with what they had to say
		for len(o.sent[n]) < cutMessages/cutSenders {
			a := o.request(n, o.rng)
			res, err := s.Send(ctx, o.senders[n], a.req)
			if err != nil {
				return fmt.Errorf("send after the restart: %w", err)
			}
			if int64(res.Message.ID) <= o.largest.Load() {
				return fmt.Errorf("id %s after the restart, %s was acked before", res.Message.ID, chat.MessageID(o.largest.Load()))
			}
			a.id = res.Message.ID
			o.sent[n] = append(o.sent[n], a)
		}
	}
	for i, c := range o.receivers {
		select {
		case <-receivers[i].synced:
		case <-time.After(20 * time.Second):
			return fmt.Errorf("receiver %d isn't synced", i)
		}
		if err := o.received(s, c, receivers[i]); err != nil {
			return fmt.Errorf("receiver %d: %w", i, err)
		}
	}
	return o.stored(s)
}

// honest checks, before anything is sent again, that a receiver's stored cursor and marks pass nothing it didn't ack.
func (o *outage) honest(s *server, c Caller) error {
	row, err := s.store.Devices.Get(context.Background(), c.User, c.Device)
	if err != nil {
		return fmt.Errorf("a device is gone: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for at := chat.EventID(0); at < row.AckedTo; {
		page, err := s.store.Inbox.Read(context.Background(), c.User, at, 100)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			if e.ID <= row.AckedTo && e.Kind == chat.EventMessage && !o.acked[c.User][e.Message] {
				return fmt.Errorf("the cursor %s of %s passed %s, which was never acked", row.AckedTo, c.User, e.ID)
			}
			at = e.ID
		}
		if !page.More {
			break
		}
	}
	return nil
}

// received checks that a receiver has, or had before the cut, everything that is for it.
func (o *outage) received(s *server, c Caller, r *receiver) error {
	log := make(map[chat.MessageID]bool)
	for at := chat.EventID(0); ; {
		page, err := s.store.Inbox.Read(context.Background(), c.User, at, 100)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			at = e.ID
			log[e.Message] = true
		}
		if !page.More {
			break
		}
	}
	row, err := s.store.Devices.Get(context.Background(), c.User, c.Device)
	if err != nil {
		return err
	}
	for _, list := range o.sent {
		for _, a := range list {
			if !slices.Contains(a.to, c.User) {
				continue
			}
			if !log[a.id] {
				return fmt.Errorf("message %s (acked before the cut: %v) is missing from the log", a.id, a.known)
			}
			r.mu.Lock()
			got := r.got[a.id]
			r.mu.Unlock()
			o.mu.Lock()
			got = got || o.acked[c.User][a.id]
			o.mu.Unlock()
			if !got {
				return fmt.Errorf("message %s never came; cursor %s", a.id, row.AckedTo)
			}
		}
	}
	return nil
}

// stored checks history and claims.
func (o *outage) stored(s *server) error {
	ctx := context.Background()
	type key struct {
		user chat.UserID
		key  chat.ClientMessageID
	}
	seen := make(map[key]chat.Message)
	walk := func(c chat.ConversationID, kind chat.Kind) error {
		page, err := s.store.Messages.History(ctx, store.History{Conversation: c, Kind: kind, Limit: 1000})
		if err != nil {
			return err
		}
		last := chat.MessageID(0)
		for _, m := range page {
			if m.ID <= last {
				return fmt.Errorf("history out of order at %s", m.ID)
			}
			last = m.ID
			k := key{m.Sender, m.ClientMessageID}
			if old, ok := seen[k]; ok {
				return fmt.Errorf("%s and %s are one message, twice in history", old.ID, m.ID)
			}
			seen[k] = m
		}
		return nil
	}
	if err := walk(o.group, chat.Group); err != nil {
		return err
	}
	for _, a := range o.senders {
		for _, b := range o.receivers {
			if err := walk(chat.DirectID(a.User, b.User), chat.Direct); err != nil {
				return err
			}
		}
	}
	for n, list := range o.sent {
		last := make(map[chat.ConversationID]chat.MessageID)
		for _, a := range list {
			m, ok := seen[key{o.senders[n].User, a.req.ClientMessage}]
			if !ok || m.ID != a.id || m.Content != a.req.Content {
				return fmt.Errorf("message %s (acked before the cut: %v) is in history as %+v", a.id, a.known, m)
			}
			if m.ID <= last[m.Conversation] {
				return fmt.Errorf("%s of one sender comes before %s, which was sent earlier", m.ID, last[m.Conversation])
			}
			last[m.Conversation] = m.ID
			if c, err := s.store.Claims.Get(ctx, m.Sender, m.ClientMessageID); err != nil || c.Message != m.ID || c.Conversation != m.Conversation {
				return fmt.Errorf("the claim of %s is %+v: %w", m.ID, c, err)
			}
		}
	}
	return nil
}

func runOutage(t *testing.T, seed uint64, noSync bool) (*outage, error) {
	o := &outage{t: t, rng: rand.New(rand.NewPCG(seed, 1)), mem: vfs.NewCrashableMem(), noSync: noSync, acked: make(map[chat.UserID]map[chat.MessageID]bool)}
	o.left.Store(1 << 60)
	if err := o.before(seed); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	return o, o.after()
}

// TestPowerCut cuts the power at a random write, by seed, while people send and receive: nothing acked is lost, nothing is
// twice in history, order is kept, no cursor passed what wasn't acked. MURRE_POWERCUT_SEEDS sets how many seeds, default 20.
func TestPowerCut(t *testing.T) {
	seeds := uint64(20)
	if v := os.Getenv("MURRE_POWERCUT_SEEDS"); v != "" {
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			t.Fatalf("MURRE_POWERCUT_SEEDS: %v", err)
		}
		seeds = n
	}
	began, owed, again := time.Now(), 0, 0
	for seed := range seeds {
		o, err := runOutage(t, seed, false)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, list := range o.sent {
			for _, a := range list {
				if a.known {
					owed++
				} else {
					again++
				}
			}
		}
	}
	t.Logf("%d seeds, %d messages acked before the cut, %d sent or sent again after it, %.1f seeds/s", seeds, owed, again, float64(seeds)/time.Since(began).Seconds())
}

// TestPowerCutFindsMissingSync shows that the test above would see a store that acks before it syncs.
func TestPowerCutFindsMissingSync(t *testing.T) {
	for seed := range uint64(20) {
		if _, err := runOutage(t, seed, true); err != nil {
			t.Logf("seed %d: %v", seed, err)
			return
		}
	}
	t.Fatal("20 power cuts without a sync lost nothing: the test is blind")
}
