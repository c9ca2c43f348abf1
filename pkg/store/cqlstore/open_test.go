package cqlstore

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat/id"
)

var quiet = slog.New(slog.DiscardHandler)

// patient is the deadline of statements in tests: the machine may be busy with other suites.
const patient = 30 * time.Second

// testKeyspace migrates a keyspace that goes with the test.
func testKeyspace(t testing.TB, hosts []string, replication map[string]int) string {
	t.Helper()
	name := servers.Unique("t")
	o := Options{Hosts: hosts, Keyspace: name, Timeout: patient, Log: quiet}
	t.Cleanup(func() { dropKeyspace(t, o) })
	if _, err := Migrate(t.Context(), MigrateOptions{Options: o, Replication: replication}); err != nil {
		t.Fatal(err)
	}
	return name
}

func dropKeyspace(t testing.TB, o Options) {
	o, err := o.withDefaults()
	if err != nil {
		t.Error(err)
		return
	}
	c := cluster(&o)
	c.Timeout = time.Minute
	s, err := dial(context.Background(), &o, c)
	if err != nil {
		t.Error(err)
		return
	}
	defer s.Close()
	if err := s.Session.Query("DROP KEYSPACE IF EXISTS " + o.Keyspace).Exec(); err != nil {
		t.Error(err)
	}
}

// openTest opens a DB with a real clock.
func openTest(t testing.TB, o Options) *DB {
	t.Helper()
	o.Log = quiet
	o.Clock = id.NewClock(id.ClockOptions{})
	if o.Timeout == 0 {
		o.Timeout = patient
	}
	d, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// underHorizon waits until the horizon has passed what was written before.
func underHorizon(d *DB) func(context.Context) error {
	return func(ctx context.Context) error {
		upTo, err := d.event()
		if err != nil {
			return err
		}
		look := time.NewTicker(5 * time.Millisecond)
		defer look.Stop()
		for d.Ports().Inbox.Horizon() < upTo {
			select {
			case <-look.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
}
