package cqlstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"github.com/murre-chat/murre/pkg/breaker"
	"github.com/murre-chat/murre/pkg/store"
)

// offline is a DB without a connection: what is run on it is the test's.
func offline() *DB {
	o, _ := Options{Hosts: []string{"none"}, Keyspace: "none", Log: quiet}.withDefaults()
	d := &DB{o: o, flow: newFlow(time.Second)}
	d.guard = breaker.New(breaker.Options{Name: "cql", Failure: silence, Log: quiet})
	return d
}

func TestErrorsAreThePorts(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name string
		ctx  context.Context
		err  error
		want error
	}{
		{"no row", t.Context(), gocql.ErrNotFound, store.ErrNotFound},
		{"closed", t.Context(), gocql.ErrSessionClosed, store.ErrClosed},
		{"nobody there", t.Context(), gocql.ErrNoConnections, store.ErrUnavailable},
		{"no answer", t.Context(), gocql.ErrTimeoutNoResponse, store.ErrUnavailable},
		{"too few replicas", t.Context(), &gocql.RequestErrUnavailable{}, store.ErrUnavailable},
		{"replicas too slow", t.Context(), &gocql.RequestErrWriteTimeout{}, store.ErrUnavailable},
		{"connection lost", t.Context(), io.ErrUnexpectedEOF, store.ErrUnavailable},
		{"the caller went", done, context.Canceled, context.Canceled},
		{"the caller went, unknown", done, context.Canceled, store.ErrUnavailable},
		{"conflict", t.Context(), fmt.Errorf("x: %w", store.ErrConflict), store.ErrConflict},
	} {
		d := offline()
		err := d.run(tc.ctx, getMessage, func(context.Context) error { return tc.err })
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
		var request gocql.RequestError
		if errors.As(err, &request) || errors.Is(err, gocql.ErrNoConnections) || errors.Is(err, gocql.ErrNotFound) {
			t.Errorf("%s: a driver's error crossed the port: %v", tc.name, err)
		}
	}
	d := offline()
	d.closed.Store(true)
	if err := d.run(t.Context(), getMessage, func(context.Context) error { t.Error("ran"); return nil }); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
}

// TestBreakerOpensForSilenceOnly: what a node answered never opens it, nor does one stopped node that others stand in for.
func TestBreakerOpensForSilenceOnly(t *testing.T) {
	again, once := getMessage, newClaim
	if again.once || !once.once {
		t.Fatal("statements changed")
	}
	for _, tc := range []struct {
		name  string
		s     *statement
		err   error
		opens bool
	}{
		{"no connections", again, gocql.ErrNoConnections, true},
		{"no connections, compare-and-set", once, gocql.ErrNoConnections, true},
		{"no answer from two nodes", again, gocql.ErrTimeoutNoResponse, true},
		{"no answer from one node", once, gocql.ErrTimeoutNoResponse, false},
		{"too few replicas", again, &gocql.RequestErrUnavailable{}, false},
		{"replicas too slow", again, &gocql.RequestErrWriteTimeout{}, false},
		{"no row", again, gocql.ErrNotFound, false},
		{"connection lost under way", once, gocql.ErrConnectionClosed, false},
		{"canceled", again, context.Canceled, false},
	} {
		d := offline()
		for range 20 {
			if err := d.run(t.Context(), tc.s, func(context.Context) error { return tc.err }); err == nil {
				t.Fatal("no error")
			}
		}
		if open := d.guard.State() == breaker.Open; open != tc.opens {
			t.Errorf("%s: open is %t", tc.name, open)
		}
		if !tc.opens {
			continue
		}
		if err := d.run(t.Context(), tc.s, func(context.Context) error { t.Error("ran"); return nil }); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: open says %v", tc.name, err)
		}
	}
}

func TestStatementsHaveADeadline(t *testing.T) {
	d := offline()
	for _, own := range []time.Duration{0, time.Second, time.Hour} {
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		if own > 0 {
			ctx, cancel = context.WithTimeout(ctx, own)
		}
		err := d.run(ctx, getMessage, func(ctx context.Context) error {
			at, ok := ctx.Deadline()
			if left := time.Until(at); !ok || left > d.o.Timeout || own == time.Second && left > own {
				t.Errorf("own deadline %s: %s left", own, left)
			}
			return nil
		})
		cancel()
		if err != nil {
			t.Error(err)
		}
	}
	s := d.Stats()
	if len(s.Statements) != int(purposes) || s.Statements[forMessage].Name != "message" || s.Statements[forMessage].Count != 3 || s.Statements[forMessage].Failed != 0 {
		t.Errorf("%+v", s.Statements)
	}
	for _, one := range s.Statements {
		if one.Name == "" {
			t.Error("a purpose without a name")
		}
	}
}

type attempted struct {
	gocql.RetryableQuery
	idempotent bool
	attempts   int
}

func (a attempted) IsIdempotent() bool { return a.idempotent }
func (a attempted) Attempts() int      { return a.attempts }

func TestOnlyIdempotentStatementsAreTriedAgainOnce(t *testing.T) {
	var c counters
	r := retryOnce{&c}
	for want, a := range map[bool][]attempted{
		true:  {{idempotent: true, attempts: 1}},
		false: {{idempotent: true, attempts: 2}, {attempts: 1}},
	} {
		for _, q := range a {
			if r.Attempt(q) != want {
				t.Errorf("%+v", q)
			}
		}
	}
	if c.retried.Load() != 1 || r.GetRetryType(gocql.ErrTimeoutNoResponse) != gocql.RetryNextHost {
		t.Error("not counted, or not on the next node")
	}
}
