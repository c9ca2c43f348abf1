package loadtest

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// runFsync counts fsync and fdatasync calls while the closed loop runs, with strace, which stops the server at those
// calls only (seccomp). It is a run of its own: being traced costs.
func runFsync(ctx context.Context, r *rig) error {
	strace, err := exec.LookPath("strace")
	if err != nil {
		return fmt.Errorf("system calls are counted with strace, which is missing: %w", err)
	}
	calls := filepath.Join(r.dir, "calls")
	if err := r.start(ctx, strace, "-f", "--seccomp-bpf", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range", "-e", "signal=none", "-o", calls); err != nil {
		return err
	}
	d, err := newDuet(ctx, r)
	if err != nil {
		return err
	}
	if err := d.start(ctx); err != nil {
		return err
	}
	if err := r.warmUp(ctx); err != nil {
		return err
	}
	before, err := countCalls(calls)
	if err != nil {
		return err
	}
	w, err := r.measure(ctx, r.scale.measure, &d.done)
	if err != nil {
		return err
	}
	after, err := countCalls(calls)
	if err != nil {
		return err
	}
	if err := r.on(ctx, func() { d.running = false }); err != nil {
		return err
	}
	n := float64(after - before)
	if n == 0 {
		return fmt.Errorf("%d messages were acked without a single fsync", w.moved[0])
	}
	r.res.other("fsync", "fsyncs under the closed loop", "/s", n/w.wall.Seconds(),
		fmt.Sprintf("counted by strace at %.0f messages/s; %.1f messages an fsync", float64(w.moved[0])/w.wall.Seconds(), float64(w.moved[0])/n))
	return nil
}

// countCalls counts the calls that strace has written down so far.
func countCalls(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("count system calls: %w", err)
	}
	defer func() { _ = f.Close() }()
	n := 0
	for sc := bufio.NewScanner(f); sc.Scan(); {
		// A call that another thread interrupts is written as two lines; the one that resumes isn't counted.
		if line := sc.Text(); strings.Contains(line, "sync(") {
			n++
		}
	}
	return n, nil
}

// folderBytes is the size of all files below a folder.
func folderBytes(dir string) (int64, error) {
	var n int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		return n, fmt.Errorf("size of %s: %w", dir, err)
	}
	return n, nil
}
