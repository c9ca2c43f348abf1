//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dial connects and says how that ended within five seconds.
func dial(addr string) (net.Conn, error) {
	return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp4", addr)
}

// option reads an option of a Go connection's socket.
func option(c syscall.Conn, level, name int) (v int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var got error
	err = raw.Control(func(fd uintptr) { v, got = unix.GetsockoptInt(int(fd), level, name) })
	return v, errors.Join(err, got)
}

func keepalive() (string, error) {
	l, err := listener("127.0.0.1:80")
	if err != nil {
		return "", err
	}
	accepting(l)
	fd, err := begin(l.Addr().(*net.TCPAddr))
	if err != nil {
		return "", err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1); err != nil {
		return "", err
	}
	bare, err := dead(func(name int) (int, error) { return unix.GetsockoptInt(fd, unix.IPPROTO_TCP, name) })
	if err != nil {
		return "", err
	}
	c, err := dial(l.Addr().String())
	if err != nil {
		return "", err
	}
	ours, err := dead(func(name int) (int, error) { return option(c.(*net.TCPConn), unix.IPPROTO_TCP, name) })
	return fmt.Sprintf("a silent peer is given up after %d s; Go's connections, which set their own, after %d s", bare, ours), err
}

// dead is after how many seconds of silence a peer counts as gone.
func dead(option func(name int) (int, error)) (int, error) {
	idle, err1 := option(unix.TCP_KEEPIDLE)
	interval, err2 := option(unix.TCP_KEEPINTVL)
	probes, err3 := option(unix.TCP_KEEPCNT)
	return idle + interval*probes, errors.Join(err1, err2, err3)
}

// pair is a connection's two ends; the far one throws away what comes.
func pair() (near *net.TCPConn, err error) {
	l, err := listener("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, _ = io.Copy(io.Discard, c)
		}
	}()
	c, err := dial(l.Addr().String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

func deadPath() (string, error) {
	c, err := pair()
	if err != nil {
		return "", err
	}
	if _, err := c.Write([]byte("x")); err != nil {
		return "", err
	}
	if err := dropping(fmt.Sprintf("tcp dport %d", c.RemoteAddr().(*net.TCPAddr).Port)); err != nil {
		return "", err
	}
	began := time.Now()
	if _, err := c.Write([]byte("x")); err != nil {
		return "", err
	}
	_, err = c.Read(make([]byte, 1)) // until the kernel gives up
	if !errors.Is(err, unix.ETIMEDOUT) {
		return "", fmt.Errorf("the connection ended by %w", err)
	}
	return fmt.Sprintf("given up after %.0f s", time.Since(began).Seconds()), nil
}

func window(c *net.TCPConn) (segments uint32, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var got error
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if got = err; err == nil {
			segments = info.Snd_cwnd
		}
	})
	return segments, errors.Join(err, got)
}

func afterSilence() (string, error) {
	var out []string
	for _, control := range []string{"reno", read("net.ipv4.tcp_congestion_control")} {
		busy, after, err := silence(control)
		if err != nil {
			return "", err
		}
		out = append(out, fmt.Sprintf("with %s %d segments, then %d", control, busy, after))
	}
	return strings.Join(out, "; "), nil
}

// silence is a connection's window before and after it, with a congestion control.
func silence(control string) (busy, after uint32, err error) {
	c, err := pair()
	if err != nil {
		return 0, 0, err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var got error
	if err := raw.Control(func(fd uintptr) { got = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, control) }); err != nil || got != nil {
		return 0, 0, fmt.Errorf("congestion control %s: %w", control, errors.Join(err, got))
	}
	for range 2000 {
		if _, err := c.Write(make([]byte, 64<<10)); err != nil {
			return 0, 0, err
		}
	}
	if busy, err = window(c); err != nil {
		return 0, 0, err
	}
	time.Sleep(3 * time.Second)
	if _, err := c.Write([]byte("x")); err != nil {
		return 0, 0, err
	}
	after, err = window(c)
	return busy, after, err
}

func tracking() (string, error) {
	l, err := listener("127.0.0.1:80")
	if err != nil {
		return "", err
	}
	accepting(l)
	count := func() (int, error) {
		for range 1000 {
			if _, err := dial(l.Addr().String()); err != nil {
				return 0, err
			}
		}
		return strconv.Atoi(read("net.netfilter.nf_conntrack_count"))
	}
	without, err := count()
	if err != nil {
		return "", err
	}
	if err := dropping("ct state invalid"); err != nil {
		return "", err
	}
	with, err := count()
	return fmt.Sprintf("%d without, %d with", without, with), err
}

// wholeMachine are the settings of 99-murre.conf that have no namespace: they are read, not tried.
var wholeMachine = []string{
	"fs.file-max", "fs.nr_open", "fs.epoll.max_user_watches", "net.core.netdev_max_backlog", "net.ipv4.tcp_mem", "net.netfilter.nf_conntrack_max",
	"vm.overcommit_memory", "vm.max_map_count", "vm.swappiness",
}

// globals prints the settings that belong to the machine as a whole, with the counters that say whether they bind.
func globals() error {
	fmt.Printf("\n| of the machine as a whole | now | binds? |\n|---|---|---|\n")
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	fmt.Printf("| descriptors of a process (`ulimit -n`) | %d, at most %d | %s |\n", limit.Cur, limit.Max, raised(limit))
	fmt.Printf("| `fs.nr_open` | %s | what a process's limit can be raised to |\n", read("fs.nr_open"))
	fmt.Printf("| `fs.file-max` | %s | `fs.file-nr`: %s (open, free, most) |\n", read("fs.file-max"), read("fs.file-nr"))
	fmt.Printf("| `fs.epoll.max_user_watches` | %s | one a connection, of all processes of a user |\n", read("fs.epoll.max_user_watches"))
	dropped, err := softnet()
	if err != nil {
		return err
	}
	fmt.Printf("| `net.core.netdev_max_backlog` | %s | packets dropped for it since the start, of all processors: %d |\n", read("net.core.netdev_max_backlog"), dropped)
	b, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "TCP:") {
			fmt.Printf("| `net.ipv4.tcp_mem` | %s | in pages; %s |\n", read("net.ipv4.tcp_mem"), strings.TrimSpace(line))
		}
	}
	for _, key := range []string{"net.netfilter.nf_conntrack_max", "net.ipv4.tcp_max_orphans", "net.ipv4.tcp_max_tw_buckets", "vm.overcommit_memory", "vm.max_map_count", "vm.swappiness"} {
		fmt.Printf("| `%s` | %s | |\n", key, read(key))
	}
	return nil
}

// raised says whether this process may have more descriptors than its limit.
func raised(l unix.Rlimit) string {
	more := unix.Rlimit{Cur: l.Max + 1, Max: l.Max + 1}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &more); err != nil {
		return "can't be raised from here: " + err.Error()
	}
	return "can be raised from here"
}

// softnet sums up what processors dropped because their receive queue was full.
func softnet() (sum uint64, err error) {
	b, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 {
			n, err := strconv.ParseUint(f[1], 16, 64)
			if err != nil {
				return 0, err
			}
			sum += n
		}
	}
	return sum, nil
}
