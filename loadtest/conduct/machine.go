package conduct

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/murre-chat/murre/loadtest/result"
)

// meter reads what the machine and its processes take, from /proc. What can't be read counts as 0: processes end.
type meter struct {
	before memory
	cpu    map[int]time.Duration // of processes, at the last point
	irq    time.Duration         // of the kernel outside of processes, at the last point
}

// memory is what the machine says of its memory, bytes.
type memory struct{ total, available, slab, tables, stacks, perCPU, sockets int64 }

func newMeter() *meter {
	return &meter{before: readMemory(), cpu: map[int]time.Duration{}, irq: softirq()}
}

func readMemory() memory {
	text := "\n" + read("/proc/meminfo")
	m := memory{
		total: kib(text, "MemTotal:"), available: kib(text, "MemAvailable:"), slab: kib(text, "Slab:"),
		tables: kib(text, "PageTables:") + kib(text, "SecPageTables:"), stacks: kib(text, "KernelStack:"), perCPU: kib(text, "Percpu:"),
	}
	for line := range strings.Lines(read("/proc/net/sockstat")) {
		f := strings.Fields(line)
		for i := 0; i+1 < len(f); i++ {
			if f[0] == "TCP:" && f[i] == "mem" {
				pages, _ := strconv.ParseInt(f[i+1], 10, 64) // malformed: 0
				m.sockets = pages * int64(os.Getpagesize())
			}
		}
	}
	return m
}

func read(file string) string {
	b, _ := os.ReadFile(file) // not there: ""
	return string(b)
}

// kib is the value of a line such as "Name:  12 kB" in bytes.
func kib(text, name string) int64 {
	_, rest, ok := strings.Cut(text, "\n"+name)
	if !ok {
		return 0
	}
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(f[0], 10, 64) // malformed: 0
	return n << 10
}

// anonymous is a process's resident memory that isn't a file's.
func anonymous(pid int) int64 {
	text := read(fmt.Sprintf("/proc/%d/status", pid))
	return kib(text, "RssAnon:") + kib(text, "RssShmem:")
}

// proportional is a process's memory with its part of what it shares; anonymous memory where the kernel doesn't say.
func proportional(pid int) int64 {
	if n := kib(read(fmt.Sprintf("/proc/%d/smaps_rollup", pid)), "Pss:"); n > 0 {
		return n
	}
	return anonymous(pid)
}

// clockTick is the unit of times in /proc, USER_HZ: 100 a second on every Linux.
const clockTick = 10 * time.Millisecond

func cpuTime(pid int) time.Duration {
	text := read(fmt.Sprintf("/proc/%d/stat", pid))
	// The name in parentheses may hold anything: fields count from behind its end.
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * clockTick
}

// softirq is the time that the processors spent in interrupts, outside of any process.
func softirq() time.Duration {
	f := strings.Fields(read("/proc/stat"))
	if len(f) < 8 {
		return 0
	}
	hard, _ := strconv.ParseInt(f[6], 10, 64)
	soft, _ := strconv.ParseInt(f[7], 10, 64)
	return time.Duration(hard+soft) * clockTick
}

// point is what groups of processes take now, and what they took since the last point.
func (m *meter) point(groups map[string][]int) map[string]result.Use {
	out := map[string]result.Use{}
	cpu := map[int]time.Duration{}
	for group, pids := range groups {
		u := result.Use{Processes: len(pids)}
		for _, pid := range pids {
			u.Bytes += anonymous(pid)
			cpu[pid] = cpuTime(pid)
			if was, ok := m.cpu[pid]; ok {
				u.CPUSeconds += (cpu[pid] - was).Seconds()
			}
		}
		out[group] = u
	}
	m.cpu = cpu
	irq, now := softirq(), readMemory()
	out[result.GroupKernel] = result.Use{Bytes: max(now.kernel()-m.before.kernel(), 0), CPUSeconds: (irq - m.irq).Seconds()}
	m.irq = irq
	return out
}

func (m memory) kernel() int64 { return m.slab + m.tables + m.stacks + m.perCPU }
func (m memory) inUse() int64  { return m.total - m.available }

// account says where the machine's memory is.
func (m *meter) account(groups map[string][]int, workers []int) result.Memory {
	now := readMemory()
	a := result.Memory{BeforeBytes: m.before.inUse(), InUseBytes: now.inUse()}
	add := func(part string, processes int, bytes int64, note string) {
		a.Parts = append(a.Parts, result.MemoryPart{Part: part, Processes: processes, Bytes: bytes, Note: note})
		a.SumBytes += bytes
	}
	groups[result.GroupClients] = append(append([]int(nil), workers...), os.Getpid())
	for _, group := range result.Groups() {
		pids := groups[group]
		if len(pids) == 0 {
			continue
		}
		var bytes int64
		for _, pid := range pids {
			bytes += proportional(pid)
		}
		add(group, len(pids), bytes, "proportional set sizes")
	}
	add("kernel: slab", 0, now.slab-m.before.slab, "sockets, files, epoll items, small buffers; growth since before the run")
	add("kernel: page tables", 0, now.tables-m.before.tables, "growth")
	add("kernel: stacks, per CPU", 0, now.stacks+now.perCPU-m.before.stacks-m.before.perCPU, "growth")
	// What the kernel reclaims when it must isn't in use by its own account, slab of files among it, and pages of programs
	// are shared with others: so the rest may be below 0.
	rest := a.InUseBytes - a.BeforeBytes - a.SumBytes
	add("not found", 0, rest, fmt.Sprintf("what the machine has in use beyond the above; of it up to %d MiB are socket buffers outside of slab", now.sockets>>20))
	return a
}

func loadAverage() string {
	f := strings.Fields(read("/proc/loadavg"))
	return strings.Join(f[:min(3, len(f))], " ")
}
