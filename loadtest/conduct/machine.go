package conduct

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/murre-chat/murre/loadtest/procfs"
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
	return &meter{before: readMemory(), cpu: map[int]time.Duration{}, irq: procfs.Interrupts()}
}

func readMemory() memory {
	text := procfs.Read("/proc/meminfo")
	m := memory{
		total: procfs.Size(text, "MemTotal"), available: procfs.Size(text, "MemAvailable"), slab: procfs.Size(text, "Slab"),
		tables: procfs.Size(text, "PageTables") + procfs.Size(text, "SecPageTables"), stacks: procfs.Size(text, "KernelStack"), perCPU: procfs.Size(text, "Percpu"),
	}
	for line := range strings.Lines(procfs.Read("/proc/net/sockstat")) {
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

// point is what groups of processes take now, and what they took since the last point.
func (m *meter) point(groups map[string][]int) map[string]result.Use {
	out := map[string]result.Use{}
	cpu := map[int]time.Duration{}
	for group, pids := range groups {
		u := result.Use{Processes: len(pids)}
		for _, pid := range pids {
			u.Bytes += procfs.Anonymous(pid)
			cpu[pid], _ = procfs.CPU(pid) // gone: 0
			if was, ok := m.cpu[pid]; ok {
				u.CPUSeconds += (cpu[pid] - was).Seconds()
			}
		}
		out[group] = u
	}
	m.cpu = cpu
	irq, now := procfs.Interrupts(), readMemory()
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
			bytes += procfs.Proportional(pid)
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
