package pebblestore

import (
	"sync/atomic"
	"time"
)

// groupBuckets and latencyBuckets are the upper bounds of the histograms of Stats.
var (
	groupBuckets   = [...]int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096}
	latencyBuckets = [...]time.Duration{100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
		time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond,
		50 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, time.Second}
)

type counters struct {
	commits, ops, bytes, syncs, inboxRows, reopened atomic.Uint64
	commitNanos                                     atomic.Uint64
	groups                                          [len(groupBuckets) + 1]atomic.Uint64
	latencies                                       [len(latencyBuckets) + 1]atomic.Uint64
}

func (c *counters) commit(ops int, took time.Duration) {
	c.commits.Add(1)
	c.syncs.Add(1)
	c.ops.Add(uint64(ops))
	c.commitNanos.Add(uint64(took))
	i := 0
	for i < len(groupBuckets) && ops > groupBuckets[i] {
		i++
	}
	c.groups[i].Add(1)
	i = 0
	for i < len(latencyBuckets) && took > latencyBuckets[i] {
		i++
	}
	c.latencies[i].Add(1)
}

// Bucket is one step of a histogram: how many values were at most Le (seconds, or ops); the last has no bound (Le 0).
type Bucket struct {
	Le    float64
	Count uint64 // not cumulative
}

// Stats are counters since Open and gauges of now.
type Stats struct {
	Commits, Ops, Bytes, Syncs, InboxRows uint64
	Reopened                              uint64 // engines replaced after a fatal error
	CommitSeconds                         float64
	Groups                                []Bucket // ops a commit
	Latencies                             []Bucket // seconds a commit, sync included
	FreeBytes                             uint64   // of the file system, 0 = unknown
	DiskFull                              bool
	Waiting                               int // writes that wait for the committer
	DiskBytes                             uint64
	Horizon                               int64
}

// Stats returns the counters. It does no I/O and may be called often.
func (d *DB) Stats() Stats {
	c := &d.stats
	s := Stats{
		Commits: c.commits.Load(), Ops: c.ops.Load(), Bytes: c.bytes.Load(), Syncs: c.syncs.Load(),
		InboxRows: c.inboxRows.Load(), Reopened: c.reopened.Load(),
		CommitSeconds: float64(c.commitNanos.Load()) / 1e9,
		FreeBytes:     d.space.free.Load(), DiskFull: d.space.full.Load(), Horizon: int64(inbox{d}.Horizon()),
	}
	for i := range c.groups {
		b := Bucket{Count: c.groups[i].Load()}
		if i < len(groupBuckets) {
			b.Le = float64(groupBuckets[i])
		}
		s.Groups = append(s.Groups, b)
	}
	for i := range c.latencies {
		b := Bucket{Count: c.latencies[i].Load()}
		if i < len(latencyBuckets) {
			b.Le = latencyBuckets[i].Seconds()
		}
		s.Latencies = append(s.Latencies, b)
	}
	if e := d.engine.Load(); e != nil && !e.isDead() {
		e.queueMu.Lock()
		s.Waiting = len(e.queue)
		e.queueMu.Unlock()
		e.readers.RLock()
		if e.current.Load() != nil {
			s.DiskBytes = e.pdb.Metrics().DiskSpaceUsage()
		}
		e.readers.RUnlock()
	}
	return s
}
