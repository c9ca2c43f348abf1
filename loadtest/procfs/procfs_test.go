package procfs_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/murre-chat/murre/loadtest/procfs"
)

func TestSize(t *testing.T) {
	const text = "7f00-7fff ---p 00000000 00:00 0 [rollup]\nRss:      12 kB\nPss_Dirty: 3 kB\nPss: 4 kB\nOdd: x kB\n"
	for name, want := range map[string]int64{"Rss": 12 << 10, "Pss": 4 << 10, "Odd": 0, "None": 0, "ss": 0} {
		if got := procfs.Size(text, name); got != want {
			t.Errorf("Size(%q) = %d, want %d", name, got, want)
		}
	}
}

func TestThisProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no /proc")
	}
	before, err := procfs.CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 60*time.Millisecond; {
		runtime.Gosched()
	}
	after, err := procfs.CPU(os.Getpid())
	if err != nil || after <= before {
		t.Errorf("CPU time went from %v to %v, %v", before, after, err)
	}
	a, r := procfs.Anonymous(os.Getpid()), procfs.Resident(os.Getpid())
	if a < 100<<10 || r < a {
		t.Errorf("%d bytes of it anonymous, %d resident", a, r)
	}
	if p := procfs.Proportional(os.Getpid()); p < 100<<10 {
		t.Errorf("proportional %d", p)
	}
	if procfs.Load() == "" || procfs.Kernel() == "" {
		t.Error("nothing of the machine")
	}
}

func TestGone(t *testing.T) {
	const none = 1 << 30 // beyond the largest process id
	if _, err := procfs.CPU(none); err == nil {
		t.Error("the CPU time of no process")
	}
	if procfs.Anonymous(none) != 0 || procfs.Proportional(none) != 0 || procfs.Resident(none) != 0 || procfs.Child(none) != 0 {
		t.Error("a process that isn't there has memory, or a child")
	}
}
