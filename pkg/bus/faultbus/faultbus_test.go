package faultbus_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/murre-chat/murre/pkg/bus"
	"github.com/murre-chat/murre/pkg/bus/bustest"
	"github.com/murre-chat/murre/pkg/bus/faultbus"
	"github.com/murre-chat/murre/pkg/bus/localbus"
	"github.com/murre-chat/murre/pkg/session"
)

// Without faults, and with delays only, it is a bus as any other.
func TestFaultBus(t *testing.T) {
	for name, o := range map[string]faultbus.Options{
		"no faults": {},
		"delays":    {DelayOneIn: 10, Delay: 2 * time.Millisecond, Seed: 1},
	} {
		t.Run(name, func(t *testing.T) {
			bustest.Run(t, func(*testing.T) bustest.Engine {
				return bustest.Engine{Bus: faultbus.Wrap(localbus.New(), o), Settle: func(context.Context) error { return nil }}
			})
		})
	}
}

type receiver struct{ seqs []uint64 }

func (r *receiver) Receive(e bus.Envelope) { r.seqs = append(r.seqs, e.Seq) }
func (r *receiver) Gap(string)             {}

var to = session.GatewayID{Name: "b", Epoch: 1}

func lossy(t *testing.T, seed uint64, n, batch int) (*faultbus.Bus, []uint64) {
	t.Helper()
	b := faultbus.Wrap(localbus.New(), faultbus.Options{DropOneIn: 20, Seed: seed})
	r := &receiver{}
	b.Subscribe(to, r)
	var seq uint64
	for range n / batch {
		var es []bus.Envelope
		for range batch {
			seq++
			es = append(es, bus.Envelope{Seq: seq})
		}
		if err := b.Publish(t.Context(), to, es...); err != nil {
			t.Fatal(err)
		}
		for i, e := range es {
			if want := seq - uint64(batch-1-i); e.Seq != want {
				t.Fatalf("the caller's batch was changed: %d at %d, want %d", e.Seq, i, want)
			}
		}
	}
	return b, r.seqs
}

func TestLosesOneInSoMany(t *testing.T) {
	const n = 20_000
	for _, batch := range []int{1, 8} {
		b, got := lossy(t, 7, n, batch)
		s := b.Stats()
		if lost := n - len(got); s.Published != n || s.Dropped != int64(lost) || lost < n/25 || lost > n/16 {
			t.Errorf("batches of %d: %d of %d lost, counted %+v", batch, lost, n, s)
		}
		if !slices.IsSorted(got) {
			t.Errorf("batches of %d: reordered", batch)
		}
	}
	_, a := lossy(t, 7, n, 1)
	_, b := lossy(t, 7, n, 1)
	_, c := lossy(t, 8, n, 1)
	if !slices.Equal(a, b) || slices.Equal(a, c) {
		t.Error("the seed doesn't decide what is lost")
	}
}

func TestADelayHoldsUpWhatIsBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := faultbus.Wrap(localbus.New(), faultbus.Options{DelayOneIn: 1, Delay: time.Minute, Seed: 3})
		r := &receiver{}
		b.Subscribe(to, r)
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error, 1)
		go func() { first <- b.Publish(ctx, to, bus.Envelope{Seq: 1}) }()
		synctest.Wait()
		second := make(chan error, 1)
		go func() { second <- b.Publish(ctx, to, bus.Envelope{Seq: 2}) }()
		if err := <-first; err != nil {
			t.Fatal(err)
		}
		if err := <-second; err != nil || !slices.Equal(r.seqs, []uint64{1, 2}) || b.Stats().Delayed != 2 {
			t.Fatalf("%v, %v, %+v", err, r.seqs, b.Stats())
		}
		go func() { first <- b.Publish(ctx, to, bus.Envelope{Seq: 3}) }()
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) || len(r.seqs) != 2 {
			t.Errorf("a publish that was cancelled while it was held up: %v, %v", err, r.seqs)
		}
	})
}
