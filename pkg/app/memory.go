package app

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Times and sizes of memory's care.
const (
	memoryEvery = time.Second
	// busyHeap: while messages flow, the collector waits until the heap has grown to this. The live heap of a small server is
	// a few MiB, and collecting at twice that would cost more than the work itself.
	busyHeap = 128 << 20
	// maxPercent bounds how far the collector is put off.
	maxPercent = 1600
	// busyFrames a second are traffic worth it, unless there are fewer than framesOfComing for everybody who comes: what stays
	// of a connection would lie scattered among the garbage of all handshakes since the last collection, and keep its pages.
	busyFrames     = 500
	framesOfComing = 20
	// wasted is how much garbage and freed memory may stay once it's quiet: less isn't worth a collection.
	wasted = 1 << 20
)

// tendMemory fits the garbage collector to the load: few collections while it's busy, memory back to the system when it's
// quiet. An idle connection must cost what it holds, not what its handshake once needed.
func (a *App) tendMemory(ctx context.Context) error {
	percent := a.cfg.GOGC
	debug.SetGCPercent(percent)
	if a.cfg.MemoryLimit > 0 {
		debug.SetMemoryLimit(int64(a.cfg.MemoryLimit))
	}
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
	}
	t := time.NewTicker(memoryEvery)
	defer t.Stop()
	last, quiet := a.server.Stats(), 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		s := a.server.Stats()
		frames, came := s.FramesIn+s.FramesOut-last.FramesIn-last.FramesOut, s.Upgraded-last.Upgraded
		last = s
		busy := frames+8*came > busyFrames*uint64(memoryEvery/time.Second)
		metrics.Read(samples)
		live, free, objects := samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()
		want := a.cfg.GOGC
		quiet++
		if busy {
			quiet = 0
		}
		if busy && frames > framesOfComing*came && live > 0 {
			want = int(min(max(uint64(want), busyHeap*100/live), maxPercent))
		}
		if want != percent {
			percent = want
			debug.SetGCPercent(percent)
		}
		// Once it has become quiet, once more when what was put off then is done (receipts, cursors, verify reads), and
		// again from time to time, as long as there is something to gain.
		garbage := objects - min(objects, live)
		if (quiet == 3 || quiet == 8 || (quiet > 8 && quiet%30 == 0)) && free+garbage > wasted {
			debug.FreeOSMemory()
		}
	}
}
