package pebblestore

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestWritesFail lets the writes to one kind of file fail, which is fatal to Pebble. The process must go on, refuse
// writes while it lasts, lose nothing acked, and work again by itself afterwards.
func TestWritesFail(t *testing.T) {
	for _, tc := range []struct {
		file    string
		err     error
		syncs   bool // fail too: what they had to make durable may be gone, so trying again would be a lie
		replace bool // the engine can't go on
	}{
		{".log", syscall.ENOSPC, false, false},
		{"MANIFEST", syscall.ENOSPC, false, false},
		{".sst", syscall.ENOSPC, false, false},
		{".log", syscall.EIO, true, true},
		{"MANIFEST", syscall.EIO, true, true},
	} {
		t.Run(fmt.Sprintf("%s %v", tc.file, tc.err), func(t *testing.T) {
			var broken atomic.Bool
			mem := vfs.NewMem()
			fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				switch op.Kind {
				case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
					if !tc.syncs {
						return nil
					}
				}
				if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.Contains(op.Path, tc.file) {
					return tc.err
				}
				return nil
			}))
			o := Options{Dir: "data", FS: fs, MemTableBytes: 256 << 10, Logger: quiet, StallAfter: time.Second}
			d, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			all := flood(t, d, func(total int64) {
				if total == 500 {
					broken.Store(true)
				}
			})
			if len(all) < 500 {
				t.Fatalf("%d acked", len(all))
			}
			waitFor(t, "unready store", func() bool { return d.Ping(t.Context()) != nil })
			broken.Store(false)
			waitFor(t, "ready store", func() bool { return d.Ping(t.Context()) == nil })
			if replaced := d.Stats().Reopened > 0; replaced != tc.replace {
				t.Errorf("engine replaced: %v", replaced)
			}
			checkAcked(t, d, all)
			all = append(all, few(t, d)...)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			o.FS = mem
			if d, err = Open(o); err != nil {
				t.Fatal(err)
			}
			checkAcked(t, d, all)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
