package faultstore

import (
	"context"
	"testing"

	"github.com/murre-chat/murre/pkg/store/pebblestore"
	"github.com/murre-chat/murre/pkg/store/storetest"
)

// TestConformance: without a fault the wrapped store is the store.
func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Engine {
		d, err := pebblestore.Open(pebblestore.Options{Dir: t.TempDir(), MemTableBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
		return storetest.Engine{
			Store:  New(1).Wrap(d.Ports()),
			Next:   d.Clock().Next,
			Settle: func(context.Context) error { return nil },
		}
	})
}
