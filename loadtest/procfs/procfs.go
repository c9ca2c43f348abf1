// Package procfs reads what Linux says of processes and of the machine under /proc. Processes end, and kernels differ: what
// can't be read is 0 or empty, but for a CPU time, which says so. Sizes are bytes.
package procfs

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Tick is the unit of times in /proc, USER_HZ: 100 a second on every Linux.
const Tick = 10 * time.Millisecond

// Read is a file's text, "" when it isn't there.
func Read(file string) string {
	b, _ := os.ReadFile(file)
	return string(b)
}

// Size is the value of a line such as "Name:  12 kB" of a file's text; 0 when there is none.
func Size(text, name string) int64 {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64) // malformed: 0
		return n << 10
	}
	return 0
}

// CPU is the time a process has used, user and system, all threads, ended children not counted.
func CPU(pid int) (time.Duration, error) {
	file := fmt.Sprintf("/proc/%d/stat", pid)
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("cpu time: %w", err)
	}
	// The name in parentheses may hold anything: fields count from behind its end.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("cpu time: %s is short", file)
	}
	t, err := ticks(f[11], f[12])
	if err != nil {
		return 0, fmt.Errorf("cpu time: %s is malformed: %w", file, err)
	}
	return t, nil
}

// Interrupts is the time that the processors spent in interrupts, outside of any process.
func Interrupts() time.Duration {
	f := strings.Fields(Read("/proc/stat"))
	if len(f) < 8 {
		return 0
	}
	t, _ := ticks(f[6], f[7]) // malformed: 0
	return t
}

func ticks(counts ...string) (time.Duration, error) {
	var sum int64
	for _, c := range counts {
		n, err := strconv.ParseInt(c, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return time.Duration(sum) * Tick, nil
}

// Anonymous is a process's resident memory that isn't a file's. It is cheap to ask.
func Anonymous(pid int) int64 {
	text := Read(fmt.Sprintf("/proc/%d/status", pid))
	return Size(text, "RssAnon") + Size(text, "RssShmem")
}

// Resident is a process's resident memory, what it shares with others counted whole. The kernel walks the page tables for it.
func Resident(pid int) int64 { return Size(rollup(pid), "Rss") }

// Proportional is a process's memory with its part of what it shares; anonymous memory where the kernel doesn't say.
func Proportional(pid int) int64 {
	if n := Size(rollup(pid), "Pss"); n > 0 {
		return n
	}
	return Anonymous(pid)
}

func rollup(pid int) string { return Read(fmt.Sprintf("/proc/%d/smaps_rollup", pid)) }

// Child is a process's first child, 0 when it has none.
func Child(pid int) int {
	f := strings.Fields(Read(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)))
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(f[0]) // malformed: 0
	return n
}

// CPUModel is the name of the machine's processor.
func CPUModel() string {
	for line := range strings.Lines(Read("/proc/cpuinfo")) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}

// Kernel is the kernel's release.
func Kernel() string { return strings.TrimSpace(Read("/proc/sys/kernel/osrelease")) }

// Load is how busy the machine was in the last 1, 5 and 15 minutes.
func Load() string {
	f := strings.Fields(Read("/proc/loadavg"))
	return strings.Join(f[:min(3, len(f))], " ")
}
