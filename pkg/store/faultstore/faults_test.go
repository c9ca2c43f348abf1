package faultstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

func open(t *testing.T) (store.Store, *Faults) {
	t.Helper()
	d, err := pebblestore.Open(pebblestore.Options{Dir: t.TempDir(), MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	f := New(1)
	return f.Wrap(d.Ports()), f
}

func TestNthCallFailsUndone(t *testing.T) {
	s, f := open(t)
	f.Add(Fault{Op: "Blocks.Set", Nth: 2})
	a, b := chat.NewUserID(time.Now()), chat.NewUserID(time.Now())
	if err := s.Blocks.Set(t.Context(), a, a, true, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Blocks.Set(t.Context(), a, b, true, 1); !errors.Is(err, store.ErrUnavailable) {
		t.Fatal(err)
	}
	if has, err := s.Blocks.Has(t.Context(), a, b); has || err != nil {
		t.Fatal(has, err)
	}
	if err := s.Blocks.Set(t.Context(), a, b, true, 1); err != nil {
		t.Fatal(err)
	}
	if f.Calls("Blocks.Set") != 3 || f.Calls("Blocks.") != 4 || f.Calls("") != 4 {
		t.Fatal("wrong counts of calls")
	}
}

func TestAppliedButUnknown(t *testing.T) {
	s, f := open(t)
	remove := f.Add(Fault{Op: "Blocks.", Applied: true, Err: store.ErrConflict})
	a, b := chat.NewUserID(time.Now()), chat.NewUserID(time.Now())
	if err := s.Blocks.Set(t.Context(), a, b, true, 1); !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
	remove()
	if has, err := s.Blocks.Has(t.Context(), a, b); !has || err != nil {
		t.Fatal(has, err)
	}
}

func TestProbabilityRepeatsBySeed(t *testing.T) {
	run := func() (out []bool) {
		s, f := open(t)
		f.Add(Fault{Op: "Blocks.Has", Probability: 0.5})
		for range 50 {
			_, err := s.Blocks.Has(t.Context(), chat.UserID{1}, chat.UserID{2})
			out = append(out, err != nil)
		}
		return out
	}
	one, two := run(), run()
	failed := 0
	for i := range one {
		if one[i] != two[i] {
			t.Fatal("another run of the seed failed elsewhere")
		}
		if one[i] {
			failed++
		}
	}
	if failed == 0 || failed == 50 {
		t.Fatalf("%d of 50 failed", failed)
	}
}

func TestDelayEndsWithContext(t *testing.T) {
	s, f := open(t)
	f.Add(Fault{Op: "Members.Change", Delay: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Members.Change(ctx, store.MemberChange{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	f.Clear()
	f.Add(Fault{Delay: time.Millisecond, OnlyDelay: true, Times: 1})
	if err := s.Engine.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}
