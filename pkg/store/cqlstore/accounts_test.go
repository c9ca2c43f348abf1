package cqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// TestAccounts is what the suite can't ask of every engine: races, unknown outcomes, and what is left by those who died.
func TestAccounts(t *testing.T) {
	hosts := servers.CQL(t)
	keyspace := testKeyspace(t, hosts, map[string]int{"dc1": 1})
	for _, tc := range []struct {
		name string
		run  func(t *testing.T, d *DB)
	}{
		{"one of eight gets a username, and one row is left", testOneUsername},
		{"a claim without a user may be taken after a minute", testAbandonedClaim},
		{"an unknown claim is settled", testUnknownClaim},
		{"creating again repairs what is missing", testCreateAgain},
		{"a late creator gives way", testLateCreator},
		{"a rename that died leaves no false match", testHalfRename},
		{"one of sixteen takes a lease", testSixteenTakers},
		{"an unknown lease is settled", testUnknownLease},
		{"many leases are renewed at once", testManyLeases},
		{"an old lease counts, and the list is put right", testOldLease},
		{"extending a deleted session leaves none", testGhostSession},
		{"many old sign-ins are tidied", testTidySessions},
		{"an entry that becomes visible late is seen", testLateEntry},
		{"what took longer than D is written again", testSlowEntry},
		{"a preference of no entry makes none", testGhostListing},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.run(t, openTest(t, Options{Hosts: hosts, Keyspace: keyspace, Lag: 2 * time.Second}))
		})
	}
}

func person(name string) chat.User {
	u := chat.User{ID: chat.NewUserID(time.Now()), DisplayName: "Zoë", Password: "$x", CreatedAt: time.Now().UnixMilli()}
	u.Username = fmt.Sprintf("%s%x", name, u.ID[8:])
	return u
}

// hooked runs do while each statement of a purpose goes through hook.
func hooked(d *DB, p purpose, hook func(run func() error) error, do func()) {
	h := intercept(func(_ context.Context, s *statement, run func() error) error {
		if s.purpose != p {
			return run()
		}
		return hook(run)
	})
	d.hook.Store(&h)
	defer d.hook.Store(nil)
	do()
}

// lostAnswer lets the first statement happen, and says that nobody answered.
func lostAnswer() func(run func() error) error {
	var once atomic.Bool
	return func(run func() error) error {
		if err := run(); err != nil || once.Swap(true) {
			return err
		}
		return gocql.ErrTimeoutNoResponse
	}
}

func testOneUsername(t *testing.T, d *DB) {
	people := make([]chat.User, 8)
	errs := make([]error, len(people))
	var wg sync.WaitGroup
	for i := range people {
		people[i] = person("same")
		people[i].Username = people[0].Username
		wg.Go(func() { errs[i] = users{d}.Create(t.Context(), people[i]) })
	}
	wg.Wait()
	var ids []chat.UserID
	won := -1
	for i, err := range errs {
		ids = append(ids, people[i].ID)
		switch {
		case err == nil && won < 0:
			won = i
		case !errors.Is(err, store.ErrConflict):
			t.Fatalf("%d: %v", i, err)
		}
	}
	rows, err := users{d}.Batch(t.Context(), ids)
	if err != nil || won < 0 || len(rows) != 1 || rows[0].ID != people[won].ID {
		t.Fatalf("winner %d, rows %v, %v", won, rows, err)
	}
}

func testAbandonedClaim(t *testing.T, d *DB) {
	u, dead := person("abandoned"), chat.NewUserID(time.Now())
	claim := func(age time.Duration) {
		t.Helper()
		if _, _, err := d.cas(t.Context(), usernames.release, u.Username, uuid(dead)); err != nil {
			t.Fatal(err)
		}
		applied, _, err := d.cas(t.Context(), usernames.claim, u.Username, uuid(dead), time.Now().Add(-age).UnixMilli())
		if err != nil || !applied {
			t.Fatal(applied, err)
		}
	}
	claim(abandoned - 10*time.Second)
	if err := (users{d}).Create(t.Context(), u); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("a young claim: %v", err)
	}
	claim(abandoned + time.Second)
	if err := (users{d}).Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if got, err := (users{d}).ByUsername(t.Context(), u.Username); err != nil || got.ID != u.ID {
		t.Fatalf("%v, %v", got, err)
	}
	// One that has a user is never taken, however old.
	other := person("other")
	other.Username = u.Username
	if err := d.session.Session.Query("UPDATE usernames SET claimed_at = ? WHERE username = ?", time.Unix(0, 0), u.Username).Exec(); err != nil {
		t.Fatal(err)
	}
	if err := (users{d}).Create(t.Context(), other); !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
}

func testUnknownClaim(t *testing.T, d *DB) {
	u := person("unknown")
	var err error
	hooked(d, forUser, lostAnswer(), func() { err = users{d}.Create(t.Context(), u) })
	if err != nil {
		t.Fatal(err)
	}
	if got, err := (users{d}).ByUsername(t.Context(), u.Username); err != nil || got != u {
		t.Fatalf("%v, %v", got, err)
	}
}

func testCreateAgain(t *testing.T, d *DB) {
	// Creation dies after n statements; the same one again makes it whole, and undoes nothing that was changed since.
	for n := 1; ; n++ {
		u := person("again")
		u.External = "sub|" + u.Username
		var left atomic.Int32
		left.Store(int32(n))
		ctx, die := context.WithCancel(t.Context())
		var err error
		hooked(d, forUser, func(run func() error) error {
			if left.Add(-1) < 0 {
				die()
				return context.Canceled
			}
			return run()
		}, func() { err = users{d}.Create(ctx, u) })
		die()
		whole := err == nil
		if err := (users{d}).Create(t.Context(), u); err != nil {
			t.Fatalf("again after %d statements: %v", n, err)
		}
		shown := "Renamed " + u.Username
		if err := (users{d}).Update(t.Context(), u.ID, store.UserChange{DisplayName: &shown}); err != nil {
			t.Fatal(err)
		}
		if err := (users{d}).Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		u.DisplayName = shown
		for _, query := range []string{u.Username, shown} {
			if got, err := (users{d}).Search(t.Context(), query, 5); err != nil || !slices.Equal(got, []chat.User{u}) {
				t.Fatalf("after %d statements, %q: %v, %v", n, query, got, err)
			}
		}
		if whole {
			break
		}
	}
}

func testLateCreator(t *testing.T, d *DB) {
	late, quick := person("late"), person("quick")
	quick.Username = late.Username
	if err := (users{d}).Create(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	applied, _, err := d.cas(t.Context(), usernames.release, late.Username, uuid(late.ID))
	if err != nil || !applied {
		t.Fatal(applied, err)
	}
	if err := (users{d}).Create(t.Context(), quick); err != nil {
		t.Fatal(err)
	}
	// The first slept after its claim, wrote its row, and looks again.
	if err := (users{d}).recheck(t.Context(), late); !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
	if rows, err := (users{d}).Batch(t.Context(), []chat.UserID{late.ID, quick.ID}); err != nil || !slices.Equal(rows, []chat.User{quick}) {
		t.Fatalf("%v, %v", rows, err)
	}
}

func testHalfRename(t *testing.T, d *DB) {
	u := person("half")
	if err := (users{d}).Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	old := "stale" + u.Username
	if err := (users{d}).list(t.Context(), []string{old}, u.ID, d.stamp()); err != nil {
		t.Fatal(err)
	}
	if got, err := (users{d}).Search(t.Context(), old, 5); err != nil || len(got) != 0 {
		t.Fatalf("%v, %v", got, err)
	}
	// Short prefixes are names that have no more letters.
	short := person("xx")
	short.DisplayName = "Łó"
	if err := (users{d}).Create(t.Context(), short); err != nil {
		t.Fatal(err)
	}
	if got, err := (users{d}).Search(t.Context(), "łÓ", 5); err != nil || !slices.Contains(got, short) {
		t.Fatalf("%v, %v", got, err)
	}
}

func testSixteenTakers(t *testing.T, d *DB) {
	dc := servers.Unique("dc")
	free := store.Lease{DC: dc, Slot: 7}
	var wg sync.WaitGroup
	var won atomic.Int32
	for i := range 16 {
		wg.Go(func() {
			next := store.Lease{DC: dc, Slot: 7, Holder: fmt.Sprint("taker ", i), Counter: 1, HighWater: 9}
			switch err := (leases{d}).Put(t.Context(), free, next); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, store.ErrConflict):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d takers", won.Load())
	}
	now, err := leases{d}.Now(t.Context())
	if off := time.Since(time.UnixMilli(now)); err != nil || off.Abs() > 30*time.Second {
		t.Fatalf("the store's clock is %s off, %v", off, err)
	}
}

// testManyLeases: the gateways of a large cluster renew at once, and none stands in another's way.
func testManyLeases(t *testing.T, d *DB) {
	const gateways, renewals = 60, 5
	dc := servers.Unique("dc")
	var wg sync.WaitGroup
	for slot := range gateways {
		wg.Go(func() {
			row := store.Lease{DC: dc, Slot: slot}
			for range renewals {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				next := row
				next.Holder, next.Counter = "gateway-"+strconv.Itoa(slot), row.Counter+1
				if err := (leases{d}).Put(ctx, row, next); err != nil {
					t.Errorf("slot %d: %v", slot, err)
				}
				cancel()
				row = next
			}
		})
	}
	wg.Wait()
	all, err := leases{d}.List(t.Context(), dc)
	if err != nil || len(all) != gateways {
		t.Fatalf("%d slots listed, %v", len(all), err)
	}
	for i, l := range all {
		if l.Slot != i || l.Counter != renewals {
			t.Errorf("%+v", l)
		}
	}
}

// testOldLease: what decided before there was a partition a slot still counts, once.
func testOldLease(t *testing.T, d *DB) {
	dc := servers.Unique("dc")
	old := store.Lease{DC: dc, Slot: 7, Holder: "before", Counter: 41, HighWater: 1000}
	leases{d}.show(t.Context(), old)
	free, mine := store.Lease{DC: dc, Slot: 7}, store.Lease{DC: dc, Slot: 7, Holder: "me", Counter: 42, HighWater: 1000}
	if err := (leases{d}).Put(t.Context(), free, mine); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("taken as if nobody had ever had it: %v", err)
	}
	if have, err := (leases{d}).Get(t.Context(), dc, 7); err != nil || have != old {
		t.Fatalf("%+v, %v", have, err)
	}
	if err := (leases{d}).Put(t.Context(), old, mine); err != nil {
		t.Fatal(err)
	}
	if have, err := (leases{d}).Get(t.Context(), dc, 7); err != nil || have != mine {
		t.Fatalf("%+v, %v", have, err)
	}
	// A list that lags is put right by whoever is refused.
	leases{d}.show(t.Context(), store.Lease{DC: dc, Slot: 7, Counter: 1, HighWater: 1})
	if err := (leases{d}).Put(t.Context(), store.Lease{DC: dc, Slot: 7, Counter: 1, HighWater: 1}, old); !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
	if all, err := (leases{d}).List(t.Context(), dc); err != nil || len(all) != 1 || all[0] != mine {
		t.Fatalf("%+v, %v", all, err)
	}
}

func testUnknownLease(t *testing.T, d *DB) {
	dc := servers.Unique("dc")
	prev := store.Lease{DC: dc, Slot: 1}
	for i := range 3 {
		next := store.Lease{DC: dc, Slot: 1, Holder: "me", Counter: int64(i), HighWater: int64(i) * 100}
		var err error
		hooked(d, forLease, lostAnswer(), func() { err = leases{d}.Put(t.Context(), prev, next) })
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		if have, err := (leases{d}).Get(t.Context(), dc, 1); err != nil || have != next {
			t.Fatalf("%d: %+v, %v", i, have, err)
		}
		prev = next
	}
	// Nobody answers at all: unknown, in the time that the caller gives it.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var err error
	hooked(d, forLease, func(func() error) error { return gocql.ErrTimeoutNoResponse }, func() { err = leases{d}.Put(ctx, prev, prev) })
	if !errors.Is(err, store.ErrUnavailable) {
		t.Fatal(err)
	}
}

func signIn(user chat.UserID, n int, expires int64) chat.Session {
	s := chat.Session{User: user, CreatedAt: expires - 1000, SeenAt: expires - 500, Expires: expires, UserAgent: "x"}
	copy(s.TokenHash[:], user[:])
	s.TokenHash[30], s.TokenHash[31] = byte(n>>8), byte(n)
	return s
}

func testGhostSession(t *testing.T, d *DB) {
	now := time.Now().UnixMilli()
	s := signIn(chat.NewUserID(time.Now()), 1, now+1e6)
	if err := (sessions{d}).Put(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	// The extension read the row, then the deletion came first.
	if err := (sessions{d}).Delete(t.Context(), s.TokenHash); err != nil {
		t.Fatal(err)
	}
	if err := d.exec(t.Context(), sessionExtend, d.stamp(), now, now+2e6, s.TokenHash[:]); err != nil {
		t.Fatal(err)
	}
	if _, err := (sessions{d}).Get(t.Context(), s.TokenHash); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	// A late retry of the sign-in brings nothing back either.
	if err := (sessions{d}).Put(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if list, err := (sessions{d}).List(t.Context(), s.User); err != nil || len(list) != 0 {
		t.Fatalf("%v, %v", list, err)
	}
}

func testTidySessions(t *testing.T, d *DB) {
	user := chat.NewUserID(time.Now())
	now := time.Now()
	for i := range manySessions + 1 {
		if err := (sessions{d}).Put(t.Context(), signIn(user, i, now.Add(-sessionKept-time.Hour).UnixMilli())); err != nil {
			t.Fatal(err)
		}
	}
	last := signIn(user, 1<<15, now.Add(time.Hour).UnixMilli())
	if err := (sessions{d}).Put(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	if list, err := (sessions{d}).List(t.Context(), user); err != nil || !slices.Equal(list, []chat.Session{last}) {
		t.Fatalf("%d left, %v", len(list), err)
	}
}

func testLateEntry(t *testing.T, d *DB) {
	log := changes{d}
	_, at, err := log.Since(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	// Another gateway took its id now, and its write is under way while ours is seen.
	late, err := d.event()
	if err != nil {
		t.Fatal(err)
	}
	mine, other := chat.NewUserID(time.Now()), chat.NewUserID(time.Now())
	if err := log.Append(t.Context(), []store.ChangeEntry{{Kind: store.LogProfile, User: mine}}); err != nil {
		t.Fatal(err)
	}
	seen := map[chat.UserID]bool{}
	poll := func() {
		t.Helper()
		entries, end, err := log.Since(t.Context(), at, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			seen[e.User] = true
		}
		at = end
	}
	if poll(); !seen[mine] {
		t.Fatal("an entry isn't visible at once")
	}
	if err := log.write(t.Context(), late, &store.ChangeEntry{Kind: store.LogProfile, User: other}); err != nil {
		t.Fatal(err)
	}
	if poll(); !seen[other] {
		t.Fatal("an entry that became visible late was missed")
	}
	if err := underHorizon(d)(t.Context()); err != nil {
		t.Fatal(err)
	}
	poll()
	clear(seen)
	if poll(); len(seen) != 0 {
		t.Fatal("entries below the horizon are told again")
	}
}

func testSlowEntry(t *testing.T, d *DB) {
	var now time.Duration
	d.deliveryState.boot = func() time.Duration { return now }
	slow := true
	user := chat.NewUserID(time.Now())
	_, at, err := changes{d}.Since(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	hooked(d, forChange, func(run func() error) error {
		if slow {
			slow, now = false, now+d.patience()+1
		}
		return run()
	}, func() {
		err = changes{d}.Append(t.Context(), []store.ChangeEntry{{Kind: store.LogBlock, User: user, Other: user}})
	})
	if err != nil {
		t.Fatal(err)
	}
	entries, _, err := changes{d}.Since(t.Context(), at, 1000)
	entries = slices.DeleteFunc(entries, func(e store.ChangeEntry) bool { return e.User != user })
	if err != nil || len(entries) != 2 || entries[0].ID >= entries[1].ID || entries[1].Kind != store.LogBlock {
		t.Fatalf("%+v, %v", entries, err)
	}
	// Entries of many buckets are read in order; those older than the log's life aren't looked for.
	old := chat.EventID(id.At(time.Now().Add(-3 * time.Hour)))
	if err := (changes{d}).write(t.Context(), old, &store.ChangeEntry{Kind: store.LogBlock, User: user}); err != nil {
		t.Fatal(err)
	}
	entries, _, err = changes{d}.Since(t.Context(), 1, 1000)
	entries = slices.DeleteFunc(entries, func(e store.ChangeEntry) bool { return e.User != user })
	if err != nil || len(entries) != 3 || entries[0].ID != old {
		t.Fatalf("%+v, %v", entries, err)
	}
}

func testGhostListing(t *testing.T, d *DB) {
	user, c := chat.NewUserID(time.Now()), chat.NewConversationID(time.Now())
	if err := (listing{d}).SetPreferences(t.Context(), user, store.ListedConversation{Conversation: c, Muted: true}); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	// One that was written all the same isn't an entry, and takes none's place on a page.
	if err := d.exec(t.Context(), listedPrefer, d.stamp(), true, true, uuid(user), uuid(c)); err != nil {
		t.Fatal(err)
	}
	real := chat.NewConversationID(time.Now().Add(time.Second))
	if err := d.exec(t.Context(), putListed, d.stamp(), "group", true, uuid(user), uuid(real)); err != nil {
		t.Fatal(err)
	}
	page, err := listing{d}.Conversations(t.Context(), user, chat.ConversationID{}, 1)
	if err != nil || len(page) != 1 || page[0].Conversation != real {
		t.Fatalf("%+v, %v", page, err)
	}
	if _, err := (listing{d}).Listed(t.Context(), user, c); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
}
