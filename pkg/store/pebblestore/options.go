package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/murre-chat/murre/pkg/chat/id"
)

// FormatVersion is the version of the key layout and value formats that this build writes, and the newest it reads.
const FormatVersion = 1

// ErrInUse is returned by Open when another process (or another DB) has the folder open.
var ErrInUse = errors.New("data folder is in use by another process")

// FormatError is returned by Open and Restore for a folder that this build can't read.
type FormatError struct {
	Dir       string
	Found     string // what the folder says
	Supported int
}

// Error implements error.
func (e *FormatError) Error() string {
	return fmt.Sprintf("data folder %s has format %s, but this build reads formats up to %d: it was written by a newer version of murre, use that one", e.Dir, e.Found, e.Supported)
}

// Clock makes ids for events; the service's message ids come from the same one. *id.Clock is one.
type Clock interface {
	Next() (id.ID, error)
	Merge(id.ID) error
	Last() id.ID
}

// Options say how a DB is opened. Only Dir is required.
type Options struct {
	// Dir is the data folder; it is made when missing.
	Dir string
	// FS is the file system, default the machine's. Tests replace it.
	FS vfs.FS
	// NewClock makes the clock of the store from the stored high water: its ids must be ≥ highWater, and below what
	// reserve made durable. Nil: an *id.Clock of slot 0 that the DB runs itself.
	NewClock func(highWater id.ID, reserve func(ctx context.Context, upTo id.ID) error) (Clock, error)
	// Logger gets engine events; default slog.Default().
	Logger *slog.Logger
	// NoSync answers writes before they are synced: fast, and wrong. Only for tests that must go red.
	NoSync bool
	// CacheBytes is the size of the block cache, default 64 MiB.
	CacheBytes int64
	// MemTableBytes is the size of a memtable, default 64 MiB: a larger one costs memory and time to start.
	MemTableBytes uint64
	// MinFreeBytes: writes are refused with ErrUnavailable while the file system has less free, default 2 × MemTableBytes
	// + 64 MiB; they are taken again at a quarter more.
	MinFreeBytes uint64
	// MaxWaiting bounds the writes that wait for the committer, default 65,536; more get ErrUnavailable.
	MaxWaiting int
	// StallAfter: writers get ErrUnavailable when a commit takes longer, default 5 s.
	StallAfter time.Duration
	// Now is the wall clock by which rows expire, default time.Now.
	Now func() time.Time
	// SweepEvery is how often expired rows are dropped, default 1 h.
	SweepEvery time.Duration
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 64 << 20
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 64 << 20
	}
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = 2*o.MemTableBytes + 64<<20
	}
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = 65_536
	}
	if o.StallAfter <= 0 {
		o.StallAfter = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SweepEvery <= 0 {
		o.SweepEvery = time.Hour
	}
	return o
}
