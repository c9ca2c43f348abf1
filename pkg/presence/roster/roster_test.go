package roster

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/presence"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

// userRows keeps last seen times; the store's own goroutines don't live in a synctest bubble.
type userRows struct {
	store.Users // only what is used is here
	mu          sync.Mutex
	seen        map[chat.UserID]int64
	fail        bool
	writes      int
	refused     int
}

func (u *userRows) Update(_ context.Context, id chat.UserID, c store.UserChange) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fail {
		u.refused++
		return errors.New("disk full")
	}
	u.writes++
	u.seen[id] = max(u.seen[id], *c.LastSeen)
	return nil
}

func (u *userRows) Batch(_ context.Context, ids []chat.UserID) ([]chat.User, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var out []chat.User
	for _, id := range ids {
		if at, ok := u.seen[id]; ok {
			out = append(out, chat.User{ID: id, LastSeen: at})
		}
	}
	return out, nil
}

type told struct {
	at time.Time
	p  chat.Presence
	to []chat.UserID
}

type world struct {
	*Roster
	memory *Memory
	rows   *userRows
	mu     sync.Mutex
	list   []told
}

func (w *world) take() []told {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.list
	w.list = nil
	return l
}

func inBubble(t *testing.T, f func(t *testing.T, w *world, stop func())) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{rows: &userRows{seen: map[chat.UserID]int64{}}, memory: NewMemory(nil)}
		w.Roster = New(Options{Users: w.rows, Interests: w.memory, Log: slog.New(slog.DiscardHandler)})
		w.Subscribe(func(_ context.Context, p chat.Presence, to []chat.UserID) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.list = append(w.list, told{time.Now(), p, to})
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = w.Run(ctx)
		}()
		stop := func() { cancel(); <-done }
		defer stop()
		f(t, w, stop)
	})
}

var (
	anna, ben, cleo = chat.UserID{1}, chat.UserID{2}, chat.UserID{3}
	phone, laptop   = chat.DeviceID{1}, chat.DeviceID{2}
)

func online(t *testing.T, w *world, u chat.UserID) chat.Presence {
	t.Helper()
	s, err := w.States(context.Background(), []chat.UserID{u})
	if err != nil {
		t.Fatal(err)
	}
	return s[0]
}

func TestOfflineIsToldAfterTheGrace(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ func()) {
		w.Watch(ben, []chat.UserID{anna})
		w.Connected(anna, phone)
		if l := w.take(); len(l) != 1 || !l[0].p.Online || !slices.Equal(l[0].to, []chat.UserID{ben}) {
			t.Fatalf("%+v", l)
		}
		w.Connected(anna, laptop)
		w.Disconnected(anna, phone)
		time.Sleep(time.Minute)
		if l := w.take(); len(l) != 0 || !online(t, w, anna).Online {
			t.Fatalf("another device is here: %+v", l)
		}
		w.Disconnected(anna, laptop)
		time.Sleep(presence.Grace - time.Millisecond)
		if l := w.take(); len(l) != 0 || !online(t, w, anna).Online {
			t.Fatalf("too early: %+v", l)
		}
		w.Connected(anna, phone) // a reconnect is silent
		time.Sleep(time.Minute)
		if l := w.take(); len(l) != 0 {
			t.Fatalf("%+v", l)
		}
		w.Disconnected(anna, phone)
		left := time.Now()
		time.Sleep(time.Minute)
		l := w.take()
		if len(l) != 1 || l[0].p.Online || l[0].at.Sub(left) > 10*time.Second || l[0].p.LastSeen != left.UnixMilli() {
			t.Fatalf("%+v, left at %v", l, left)
		}
		if s := online(t, w, anna); s.Online || s.LastSeen != left.UnixMilli() {
			t.Fatalf("%+v", s)
		}
		if w.rows.seen[anna] != left.UnixMilli() || w.rows.writes != 1 {
			t.Fatalf("stored %d in %d writes", w.rows.seen[anna], w.rows.writes)
		}
	})
}

// TestAStorm: everybody leaves within a moment and a third comes back.
func TestAStorm(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ func()) {
		const n = 18_000
		who := func(i int) chat.UserID { return chat.UserID{5, byte(i), byte(i >> 8)} }
		for i := range n {
			w.Connected(who(i), phone)
		}
		if l := w.take(); len(l) != 0 {
			t.Fatal(len(l))
		}
		for i := 0; i < n; i += 10 {
			w.Watch(ben, []chat.UserID{who(i)})
		}
		for i := range n {
			w.Disconnected(who(i), phone)
			if i%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		for i := range n / 3 {
			w.Connected(who(i), phone)
		}
		time.Sleep(2 * presence.Grace)
		l := w.take()
		gone := 0
		for _, x := range l {
			if !x.p.Online {
				gone++
			}
		}
		if want := min(n/10, maxPerWatcher) - n/30; gone != want || len(l) != want {
			t.Fatalf("%d told, %d of them gone, want %d", len(l), gone, want)
		}
		time.Sleep(time.Duration(1+n/seenAFlush) * flushEvery)
		synctest.Wait()
		if w.rows.writes != n-n/3 {
			t.Fatalf("%d writes", w.rows.writes)
		}
		w.Roster.mu.Lock()
		defer w.Roster.mu.Unlock()
		if len(w.queue) != 0 || len(w.leaving) != 0 || len(w.here) != n/3 {
			t.Fatalf("%d %d %d", len(w.queue), len(w.leaving), len(w.here))
		}
	})
}

func TestReplacedConnectionIsSilent(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ func()) {
		w.Watch(ben, []chat.UserID{anna})
		w.Connected(anna, phone)
		w.take()
		for range 3 { // in either order
			w.Connected(anna, phone)
			w.Disconnected(anna, phone)
			w.Disconnected(anna, phone)
			w.Connected(anna, phone)
		}
		time.Sleep(time.Minute)
		if l := w.take(); len(l) != 0 {
			t.Fatalf("%+v", l)
		}
		if len(w.leaving) != 0 || len(w.queue) != 0 {
			t.Fatal("something is left")
		}
	})
}

func TestAnEndToldBeforeItsBeginning(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ func()) {
		w.Watch(ben, []chat.UserID{anna})
		w.Disconnected(anna, phone)
		if online(t, w, anna).Online {
			t.Fatal("online below zero")
		}
		w.Connected(anna, phone)
		time.Sleep(time.Minute)
		if l := w.take(); len(l) != 0 || online(t, w, anna).Online || len(w.here) != 0 || len(w.leaving) != 0 {
			t.Fatalf("%+v", l)
		}
		w.Connected(anna, phone)
		w.take()
		w.Disconnected(anna, laptop)
		w.Connected(anna, laptop)
		time.Sleep(time.Minute)
		if l := w.take(); len(l) != 0 || !online(t, w, anna).Online {
			t.Fatalf("%+v", l)
		}
	})
}

func TestInterestEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ func()) {
		w.Watch(ben, []chat.UserID{anna})
		w.Watch(cleo, []chat.UserID{anna})
		time.Sleep(4 * time.Minute)
		w.Watch(cleo, []chat.UserID{anna})
		time.Sleep(2 * time.Minute)
		w.Connected(anna, phone)
		if l := w.take(); len(l) != 1 || !slices.Equal(l[0].to, []chat.UserID{cleo}) {
			t.Fatalf("%+v", l)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if w.memory.in.total != 0 || len(w.memory.in.of) != 0 || len(w.memory.in.held) != 0 {
			t.Fatalf("%+v", w.memory.in)
		}
	})
}

func TestInterestIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, _ func()) {
		users := make([]chat.UserID, 2*maxPerWatcher)
		for i := range users {
			users[i] = chat.UserID{9, byte(i), byte(i >> 8)}
		}
		w.Watch(ben, users)
		for _, u := range users {
			w.Watch(u, []chat.UserID{anna})
		}
		if w.memory.in.held[ben] != maxPerWatcher || len(w.memory.in.of[anna]) != maxPerWatched || w.memory.in.total != maxPerWatcher+maxPerWatched {
			t.Fatalf("%d %d %d", w.memory.in.held[ben], len(w.memory.in.of[anna]), w.memory.in.total)
		}
	})
}

func TestLastSeenSurvivesFailuresAndTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, stop func()) {
		w.rows.fail = true
		w.Connected(anna, phone)
		w.Disconnected(anna, phone)
		at := time.Now().UnixMilli()
		time.Sleep(time.Minute)
		if s := online(t, w, anna); s.LastSeen != at {
			t.Fatalf("not stored yet, but known: %+v", s)
		}
		w.rows.mu.Lock()
		w.rows.fail = false
		w.rows.mu.Unlock()
		time.Sleep(flushEvery)
		synctest.Wait()
		if w.rows.seen[anna] != at {
			t.Fatal("a failed write is not repeated")
		}
		w.Connected(ben, phone)
		time.Sleep(time.Minute)
		end := time.Now().UnixMilli()
		stop()
		if w.rows.seen[ben] != end {
			t.Fatal("who is here at the end was seen then")
		}
	})
}

// When thousands leave at once, when they were last seen is stored little by little, and a store that refuses isn't pressed.
func TestThousandsLeave(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, stop func()) {
		const n = 3 * seenAFlush
		w.rows.fail = true
		for range n {
			u := chat.NewUserID(time.Now())
			w.Connected(u, phone)
			w.Disconnected(u, phone)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.rows.mu.Lock()
		if most := writers * (2 + int(time.Minute/flushEvery)); w.rows.refused == 0 || w.rows.refused > most {
			t.Errorf("%d tries in a minute, want 1 to %d", w.rows.refused, most)
		}
		w.rows.fail = false
		w.rows.mu.Unlock()
		time.Sleep(flushEvery + flushEvery/2)
		synctest.Wait()
		w.rows.mu.Lock()
		if got := w.rows.writes; got < seenAFlush || got > 2*seenAFlush {
			t.Errorf("%d stored in a flush or two, want at most %d each", got, seenAFlush)
		}
		w.rows.mu.Unlock()
		time.Sleep(5 * flushEvery)
		synctest.Wait()
		w.rows.mu.Lock()
		defer w.rows.mu.Unlock()
		if len(w.rows.seen) != n {
			t.Errorf("%d of %d stored", len(w.rows.seen), n)
		}
	})
}

// TestOnTheStore runs on the real store: what is stored comes back.
func TestOnTheStore(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db, err := pebblestore.Open(pebblestore.Options{Dir: "data", FS: vfs.NewMem(), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	users := db.Ports().Users
	var all []chat.UserID
	for i := range 100 {
		u := chat.User{ID: chat.NewUserID(time.Now()), Username: "user" + string(rune('a'+i/26)) + string(rune('a'+i%26))}
		if err := users.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		all = append(all, u.ID)
	}
	p := New(Options{Users: users, Interests: NewMemory(nil), Log: log})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = p.Run(ctx) })
	for _, u := range all {
		wg.Go(func() {
			p.Connected(u, phone)
			p.Watch(u, all)
			p.Disconnected(u, phone)
		})
	}
	before := time.Now().Add(-time.Minute).UnixMilli()
	cancel()
	wg.Wait()
	p.flushSeen(t.Context(), maxSeen) // of those who came and went after Run had ended
	again := New(Options{Users: users, Interests: NewMemory(nil), Log: log})
	states, err := again.States(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, s := range states {
		if s.Online {
			t.Fatalf("%+v", s)
		}
		if s.LastSeen > before {
			seen++
		}
	}
	if seen == 0 && len(p.leaving) == 0 {
		t.Fatal("nobody was seen")
	}
}
