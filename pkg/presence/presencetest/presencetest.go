// Package presencetest is the suite that every presence.Presence passes.
package presencetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/presence"
	"github.com/murre-chat/murre/pkg/store"
)

// Users keeps last seen times in memory: of store.Users only what presence uses is there.
type Users struct {
	store.Users
	mu   sync.Mutex
	seen map[chat.UserID]int64
	fail bool
}

// NewUsers makes an empty Users.
func NewUsers() *Users { return &Users{seen: make(map[chat.UserID]int64)} }

// Update implements that much of store.Users.
func (u *Users) Update(_ context.Context, id chat.UserID, c store.UserChange) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fail {
		return errors.New("no store")
	}
	u.seen[id] = max(u.seen[id], *c.LastSeen)
	return nil
}

// Batch implements that much of store.Users.
func (u *Users) Batch(_ context.Context, ids []chat.UserID) ([]chat.User, error) {
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

// Seen returns when a user was last seen, as stored; 0: never.
func (u *Users) Seen(id chat.UserID) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.seen[id]
}

// SetFail makes updates fail.
func (u *Users) SetFail(fail bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fail = fail
}

// Engine is one process's presence. Its connections are told to it by Connect and Disconnect, which also register them
// where other processes can see them, if there are others.
type Engine struct {
	presence.Presence
	Connect    func(chat.UserID, chat.DeviceID)
	Disconnect func(chat.UserID, chat.DeviceID)
}

// News is what a subscriber was told.
type News struct {
	At       time.Time
	State    chat.Presence
	Watchers []chat.UserID
}

// Running is an Engine that runs.
type Running struct {
	Engine
	t    *testing.T
	mu   sync.Mutex
	news []News
	End  func() // ends Run and waits
}

// Start subscribes to an engine and runs it until the test ends.
func Start(t *testing.T, e Engine) *Running {
	t.Helper()
	r := &Running{Engine: e, t: t}
	e.Subscribe(func(_ context.Context, p chat.Presence, to []chat.UserID) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.news = append(r.news, News{At: time.Now(), State: p, Watchers: slices.SortedFunc(slices.Values(to), chat.UserID.Compare)})
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	r.End = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(r.End)
	return r
}

// News returns what was told so far.
func (r *Running) News() []News {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.news)
}

// Eventually waits for a condition.
func Eventually(t *testing.T, limit time.Duration, what string, f func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !f() {
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}

// state asks for one user's state.
func (r *Running) state(u chat.UserID) chat.Presence {
	r.t.Helper()
	s, err := r.States(context.Background(), []chat.UserID{u})
	if err != nil || len(s) != 1 || s[0].User != u {
		r.t.Fatalf("state %+v: %v", s, err)
	}
	return s[0]
}

// Run tests the engine that make returns; each test gets a new one.
func Run(t *testing.T, open func(t *testing.T, users store.Users) Engine) {
	for name, test := range map[string]func(*testing.T, *Running, *Users){
		"told of both":   testTold,
		"a reconnect":    testReconnect,
		"several":        testStates,
		"last seen":      testLastSeen,
		"nobody watches": testNobody,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			users := NewUsers()
			test(t, Start(t, open(t, users)), users)
		})
	}
}

func person() chat.UserID   { return chat.NewUserID(time.Now()) }
func device() chat.DeviceID { return chat.NewDeviceID(time.Now()) }

const soon = 5 * time.Second

// settle waits until Watches made before count: interests are taken in their order, so it rings bells that all watchers
// watch until one was heard by all.
func (r *Running) settle(watchers ...chat.UserID) {
	r.t.Helper()
	for range 20 {
		bell := person()
		for _, w := range watchers {
			r.Watch(w, []chat.UserID{bell})
		}
		r.Connect(bell, device())
		for began := time.Now(); time.Since(began) < soon/20; time.Sleep(5 * time.Millisecond) {
			if n := r.of(bell); len(n) > 0 && len(n[0].Watchers) == len(watchers) {
				return
			}
		}
	}
	r.t.Fatal("interest doesn't count")
}

// of returns what was told of one user.
func (r *Running) of(u chat.UserID) []News {
	return slices.DeleteFunc(r.News(), func(n News) bool { return n.State.User != u })
}

func testTold(t *testing.T, r *Running, users *Users) {
	anna, ben, cleo := person(), person(), person()
	phone, laptop := device(), device()
	both := []chat.UserID{ben, cleo}
	slices.SortFunc(both, chat.UserID.Compare)
	r.Watch(ben, []chat.UserID{anna, cleo})
	r.Watch(cleo, []chat.UserID{anna})
	r.settle(ben, cleo)
	r.Connect(anna, phone)
	Eventually(t, soon, "told of online", func() bool { return len(r.of(anna)) == 1 })
	if n := r.of(anna)[0]; !n.State.Online || !slices.Equal(n.Watchers, both) {
		t.Fatalf("%+v", n)
	}
	r.Connect(anna, laptop)
	r.Disconnect(anna, phone)
	r.Disconnect(anna, laptop)
	left := time.Now()
	if s := r.state(anna); !s.Online {
		t.Fatalf("offline within the grace: %+v", s)
	}
	Eventually(t, presence.Grace+soon, "told of offline", func() bool { return len(r.of(anna)) == 2 })
	n := r.of(anna)[1]
	if n.State.Online || !slices.Equal(n.Watchers, both) || n.At.Sub(left) < presence.Grace-100*time.Millisecond {
		t.Fatalf("%+v, left at %v", n, left)
	}
	if d := time.UnixMilli(n.State.LastSeen).Sub(left).Abs(); d > time.Second {
		t.Fatalf("last seen %v from the end", d)
	}
	Eventually(t, 2*soon, "last seen stored", func() bool { return users.Seen(anna) == n.State.LastSeen })
}

func testReconnect(t *testing.T, r *Running, _ *Users) {
	anna, ben := person(), person()
	r.Watch(ben, []chat.UserID{anna})
	r.settle(ben)
	r.Connect(anna, device())
	Eventually(t, soon, "told", func() bool { return len(r.of(anna)) == 1 })
	d := device()
	r.Connect(anna, d)
	r.Disconnect(anna, d)
	for range 3 {
		r.Disconnect(anna, d) // in either order
		r.Connect(anna, d)
	}
	mark := person() // what is told of it later shows that nothing more came of anna
	r.Watch(ben, []chat.UserID{mark})
	r.settle(ben)
	r.Connect(mark, d)
	r.Disconnect(mark, d)
	Eventually(t, presence.Grace+soon, "told of the mark", func() bool { return len(r.of(mark)) == 2 })
	if n := r.of(anna); len(n) != 1 || !r.state(anna).Online {
		t.Fatalf("%+v", n)
	}
}

func testStates(t *testing.T, r *Running, users *Users) {
	here, gone, never := person(), person(), person()
	if err := users.Update(t.Context(), gone, store.UserChange{LastSeen: new(int64(12345))}); err != nil {
		t.Fatal(err)
	}
	r.Connect(here, device())
	got, err := r.States(t.Context(), []chat.UserID{never, here, gone, here})
	if err != nil || len(got) != 4 {
		t.Fatal(got, err)
	}
	now := time.Now().UnixMilli()
	for i, want := range []chat.Presence{{User: never}, {User: here, Online: true}, {User: gone, LastSeen: 12345}, {User: here, Online: true}} {
		if want.Online && now-got[i].LastSeen < 1000 {
			want.LastSeen = got[i].LastSeen
		}
		if got[i] != want {
			t.Errorf("%d: %+v, want %+v", i, got[i], want)
		}
	}
	if got, err := r.States(t.Context(), nil); err != nil || len(got) != 0 {
		t.Fatal(got, err)
	}
}

func testLastSeen(t *testing.T, r *Running, users *Users) {
	users.SetFail(true)
	anna, ben := person(), person()
	d := device()
	r.Connect(anna, d)
	r.Disconnect(anna, d)
	Eventually(t, presence.Grace+soon, "offline", func() bool { return !r.state(anna).Online })
	at := r.state(anna).LastSeen
	if at == 0 || time.Since(time.UnixMilli(at)) > 20*time.Second {
		t.Fatal("not stored, and not known either:", at)
	}
	users.SetFail(false)
	Eventually(t, 2*soon, "stored in the end", func() bool { return users.Seen(anna) == at })
	r.Connect(ben, d)
	r.End()
	if seen := users.Seen(ben); time.Since(time.UnixMilli(seen)) > soon {
		t.Fatal("who is here at the end was seen then:", seen)
	}
}

func testNobody(t *testing.T, r *Running, _ *Users) {
	anna, ben := person(), person()
	r.Connect(anna, device())
	r.Watch(ben, []chat.UserID{anna}) // may still be told that she is online: that is true
	r.settle(ben)
	for _, n := range r.of(anna) {
		if !n.State.Online {
			t.Fatalf("%+v", n)
		}
	}
}
