package pebblestore

import (
	"fmt"
	"sync/atomic"

	"github.com/murre-chat/murre/pkg/store"
)

// lookEvery is after how many written bytes the file system is asked for its free space (and once a second anyway).
const lookEvery = 1 << 20

// space watches the file system's free space, so that writes stop before Pebble meets a full disk, which is fatal to it.
type space struct {
	o       *Options
	full    atomic.Bool
	free    atomic.Uint64
	written atomic.Int64 // since the last look
}

func errDiskFull() error { return fmt.Errorf("%w: disk full", store.ErrUnavailable) }

func (s *space) init(o *Options) { s.o = o }

// spent counts written bytes and looks when they are many. The committer calls it.
func (s *space) spent(bytes int) {
	if s.written.Add(int64(bytes)) >= min(lookEvery, int64(s.o.MinFreeBytes/4)) {
		s.look()
	}
}

// look asks the file system. One that can't tell has space.
func (s *space) look() {
	s.written.Store(0)
	u, err := s.o.FS.GetDiskUsage(s.o.Dir)
	if err != nil {
		s.full.Store(false)
		return
	}
	s.free.Store(u.AvailBytes)
	limit := s.o.MinFreeBytes
	if s.full.Load() {
		limit += limit / 4
	}
	s.full.Store(u.AvailBytes < limit)
}
