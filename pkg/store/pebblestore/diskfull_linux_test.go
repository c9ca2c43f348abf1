package pebblestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/murre-chat/murre/pkg/store"
)

const diskMiB = 96

// smallDisk mounts a file system of diskMiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("murre-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", diskMiB)); err != nil {
		t.Fatalf("this test mounts a small tmpfs, which needs root (or CAP_SYS_ADMIN): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// blindFS can't tell how much space is free.
type blindFS struct{ vfs.FS }

func (blindFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{}, vfs.ErrUnsupported
}

func filler(t *testing.T, dir string) (fill func(), remove func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	fill = func() {
		f, err := os.Create(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		block := make([]byte, 64<<10)
		for err == nil {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Error(err)
		}
	}
	return fill, func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

func TestDiskFull(t *testing.T) {
	for _, tc := range []struct {
		name  string
		blind bool // nobody watches the free space
		// fillAt is the message at which something else takes all the space that is left; 0: nothing does.
		fillAt int64
	}{
		{"messages fill the disk", false, 0},
		{"something else fills the disk at once", true, 2000},
		{"messages fill the disk and nobody watches", true, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := smallDisk(t)
			fill, empty := filler(t, dir)
			o := Options{Dir: filepath.Join(dir, "data"), MemTableBytes: 4 << 20, MinFreeBytes: 24 << 20, Logger: quiet, StallAfter: time.Second}
			if tc.blind {
				o.FS = blindFS{vfs.Default}
			}
			if tc.fillAt == 0 { // space that can be given back
				if err := os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 40<<20), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			d, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			var once sync.Once
			all := flood(t, d, func(total int64) {
				if total == tc.fillAt {
					once.Do(fill)
				}
			})
			t.Logf("%d acked before the disk was full", len(all))
			if err := d.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
				waitFor(t, "unready store", func() bool { return errors.Is(d.Ping(t.Context()), store.ErrUnavailable) })
			}
			if !tc.blind {
				checkAcked(t, d, all) // reads go on
			}
			empty()
			waitFor(t, "ready store", func() bool { return d.Ping(t.Context()) == nil })
			t.Logf("engine opened again: %d times", d.Stats().Reopened)
			checkAcked(t, d, all)
			all = append(all, few(t, d)...)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
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
