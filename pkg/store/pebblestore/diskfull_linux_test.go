package pebblestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/murre-chat/murre/pkg/chat"
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

// flood sends messages of 4 KiB from some goroutines until one is refused (or until is closed) and returns the acked.
func flood(t *testing.T, d *DB, each func(total int64)) []acked {
	t.Helper()
	users := randomUsers(8)
	text := string(make([]byte, 4<<10))
	var mu sync.Mutex
	var out []acked
	var total atomic.Int64
	var wg sync.WaitGroup
	for i := range users {
		wg.Go(func() {
			for {
				next, err := d.Clock().Next()
				if err != nil {
					if !d.space.full.Load() && d.engine.Load() != nil {
						t.Error(err)
					}
					return
				}
				key := chat.NewClientMessageID(time.Now())
				to := []chat.UserID{users[(i+1)%len(users)]}
				m := chat.Message{ID: chat.MessageID(next), Conversation: chat.DirectID(users[i], to[0]), Sender: users[i], ClientMessageID: key, ContentType: chat.Text, Content: text}
				c := store.Claim{User: users[i], ClientMessage: key, Message: m.ID, Conversation: m.Conversation}
				ev, err := d.Ports().Messages.Append(t.Context(), &store.Append{Message: m, Kind: chat.Direct, Claim: c, Recipients: to})
				if err != nil {
					if !errors.Is(err, store.ErrUnavailable) {
						t.Errorf("want ErrUnavailable, got %v", err)
					}
					return
				}
				mu.Lock()
				out = append(out, acked{m, c, ev, to})
				mu.Unlock()
				each(total.Add(1))
			}
		})
	}
	wg.Wait()
	return out
}

// waitFor polls: what it waits for (the watch of the free space, the opening of a new engine) runs on its own time.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("no %s within 20 s", what)
		}
	}
}

func checkAcked(t *testing.T, d *DB, all []acked) {
	t.Helper()
	p := d.Ports()
	logs := make(map[chat.UserID]map[chat.EventID]chat.MessageID)
	for _, a := range all {
		m, err := p.Messages.Message(t.Context(), store.Ref{Conversation: a.message.Conversation, Kind: chat.Direct, Message: a.message.ID})
		if err != nil || m.ClientMessageID != a.message.ClientMessageID || m.Content != a.message.Content {
			t.Fatalf("acked message %s: %v", a.message.ID, err)
		}
		u := a.to[0]
		if logs[u] == nil {
			if logs[u], err = readWholeLog(t.Context(), p, u); err != nil {
				t.Fatal(err)
			}
		}
		if logs[u][a.event] != a.message.ID {
			t.Fatalf("acked message %s: its event %s is missing", a.message.ID, a.event)
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
