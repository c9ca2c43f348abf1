package pebblestore

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Engine {
		var ahead atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		clock := func(high id.ID, reserve func(context.Context, id.ID) error) (Clock, error) {
			return id.NewClock(id.ClockOptions{HighWater: high, Wall: now, Boot: func() time.Duration { return time.Duration(now().UnixNano()) }}), nil
		}
		d, err := Open(Options{Dir: t.TempDir(), Logger: quiet, Now: now, NewClock: clock, MemTableBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
		return storetest.Engine{
			Store:  d.Ports(),
			Next:   d.Clock().Next,
			Settle: func(context.Context) error { return nil }, // the horizon is the last commit
			Advance: func(t *testing.T, by time.Duration) {
				ahead.Add(int64(by))
				if err := d.sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
