package doctor

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// Needs of a gateway, as far as this machine's settings matter.
const (
	filesBeside   = 1200     // descriptors that are no clients' connections
	fewFiles      = 65536    // below this a gateway is for trying out
	backlog       = 4096     // connections that may wait for accept when everybody comes back at once
	perConnection = 16 << 10 // bytes of kernel and process memory, idle
	pageSize      = 4 << 10
)

// facts of a machine.
type facts struct {
	cpus      int
	memory    int64             // bytes; 0: unknown
	soft      uint64            // descriptors
	hard      uint64            // descriptors
	synced    *bool             // the clock is kept by NTP; nil: unknown
	settings  map[string]string // of the kernel, by sysctl name; missing: not there
	hugePages string            // transparent ones: "always [madvise] never"
}

// kernelSettings are the ones that are looked at.
var kernelSettings = []string{
	"fs.file-max", "fs.nr_open", "net.core.somaxconn", "net.ipv4.tcp_max_syn_backlog", "net.ipv4.ip_local_port_range",
	"net.ipv4.tcp_mem", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.netfilter.nf_conntrack_max", "vm.overcommit_memory",
}

func machine(_ context.Context, o *Options, r *Report) {
	f := facts{cpus: runtime.GOMAXPROCS(0), memory: memory(), synced: clockSynced(), settings: map[string]string{}}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err == nil {
		f.soft, f.hard = uint64(l.Cur), uint64(l.Max)
	}
	for _, name := range kernelSettings {
		if b, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/")); err == nil {
			f.settings[name] = strings.Join(strings.Fields(string(b)), " ")
		}
	}
	if b, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled"); err == nil {
		f.hugePages = strings.TrimSpace(string(b))
	}
	judgeMachine(r, o, &f)
}

func (f *facts) number(name string) (int64, bool) {
	first, _, _ := strings.Cut(f.settings[name], " ")
	n, err := strconv.ParseInt(first, 10, 64)
	return n, err == nil
}

// last is the last number of a setting that has several.
func (f *facts) last(name string) (int64, bool) {
	all := strings.Fields(f.settings[name])
	if len(all) == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(all[len(all)-1], 10, 64)
	return n, err == nil
}

const sysctlFile = "deploy/sysctl/99-murre.conf"

func judgeMachine(r *Report, o *Options, f *facts) {
	connections := int64(o.MaxConnections)
	if connections == 0 {
		connections = int64(min(max(f.soft, 2*filesBeside)-filesBeside, 1<<20))
	}
	judgeSize(r, f, connections)
	judgeFiles(r, o, f, connections)
	low := func(name string, want int64, why string) {
		if n, ok := f.number(name); ok {
			v := OK
			if n < want {
				v = Warn
			}
			r.add(areaMachine, short(name), v, fmt.Sprintf("sysctl -w %s=65535 (%s): %s", name, sysctlFile, why), "%d", n)
		}
	}
	low("net.core.somaxconn", backlog, "when a gateway dies its clients come back within seconds")
	low("net.ipv4.tcp_max_syn_backlog", backlog, "when a gateway dies its clients come back within seconds")
	judgeSockets(r, f, connections)
	if f.synced != nil {
		v := OK
		found := "kept by NTP"
		if !*f.synced {
			v, found = Warn, "not kept by NTP, as far as the kernel knows"
		}
		r.add(areaMachine, "clock", v, "run chrony or another NTP client", "%s", found)
	}
	if n, ok := f.number("vm.overcommit_memory"); ok && n == 0 {
		r.add(areaMachine, "overcommit", Info, "where Redis runs: vm.overcommit_memory=1, so that it can fork to replicate", "0")
	}
	if strings.Contains(f.hugePages, "[always]") {
		r.add(areaMachine, "huge pages", Info, "where Redis or Cassandra runs: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled", "always")
	}
}

func short(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func judgeSize(r *Report, f *facts, connections int64) {
	if f.memory == 0 {
		r.add(areaMachine, "size", Info, "", "%s", plural(f.cpus, "core"))
		return
	}
	v := OK
	if connections*perConnection > f.memory {
		v = Warn
	}
	r.add(areaMachine, "size", v, "lower --max-connections, or give it more memory: an idle connection takes up to 16 KiB with what the kernel needs",
		"%s, %s of memory, for %s connections", plural(f.cpus, "core"), bytesText(f.memory), thousands(connections))
}

func judgeFiles(r *Report, o *Options, f *facts, connections int64) {
	want := uint64(connections) + filesBeside
	most := f.hard // the Go runtime raises the soft limit by itself
	v, advice := OK, ""
	switch {
	case o.MaxConnections > 0 && most < want:
		v, advice = Fail, fmt.Sprintf("LimitNOFILE=%d in the service's unit, or lower --max-connections", want)
	case most < fewFiles:
		v, advice = Warn, "LimitNOFILE=1048576 in the service's unit"
	}
	r.add(areaMachine, "descriptors", v, advice, "%s for %s connections", thousands(int64(min(most, 1<<62))), thousands(connections))
	if n, ok := f.number("fs.nr_open"); ok && n < int64(want) {
		r.add(areaMachine, "nr_open", Warn, fmt.Sprintf("sysctl -w fs.nr_open=2097152 (%s): no process may have more descriptors", sysctlFile), "%d", n)
	}
	if n, ok := f.number("fs.file-max"); ok && n < int64(want)+fewFiles {
		r.add(areaMachine, "file-max", Warn, fmt.Sprintf("sysctl -w fs.file-max=4194304 (%s): all processes together", sysctlFile), "%d", n)
	}
}

func judgeSockets(r *Report, f *facts, connections int64) {
	if pages, ok := f.last("net.ipv4.tcp_mem"); ok {
		v := OK
		if pages*pageSize < connections*4096 { // a page each, which is little
			v = Warn
		}
		r.add(areaMachine, "tcp_mem", v, fmt.Sprintf("raise net.ipv4.tcp_mem (%s): beyond it the kernel drops what arrives", sysctlFile),
			"at most %s for %s connections", bytesText(pages*pageSize), thousands(connections))
	}
	if n, ok := f.number("net.netfilter.nf_conntrack_max"); ok {
		v := OK
		switch {
		case n < connections:
			v = Fail
		case n < connections+connections/4:
			v = Warn
		}
		r.add(areaMachine, "conntrack", v, fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=2097152 (%s), or take the port out of tracking: when it is full, connections are dropped", sysctlFile),
			"%s entries for %s connections", thousands(n), thousands(connections))
	}
	if ports := strings.Fields(f.settings["net.ipv4.ip_local_port_range"]); len(ports) == 2 {
		low, _ := strconv.Atoi(ports[0])
		high, _ := strconv.Atoi(ports[1])
		r.add(areaMachine, "local ports", Info, "", "%s: what a balancer here can open to one gateway's address", thousands(int64(high-low+1)))
	}
}

func bytesText(n int64) string {
	if n >= 1<<40 {
		return "more than 1 TiB"
	}
	if n >= 10<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// thousands groups digits by commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
