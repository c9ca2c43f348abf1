//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func experiments() []experiment {
	return []experiment{
		{"accept", "10,000 connects at once to a server that is busy and doesn't accept", []string{"net.core.somaxconn=4096", "net.core.somaxconn=65535"}, acceptQueue},
		{"half-open", "10,000 connects whose last packet of the handshake hasn't come yet", []string{
			"net.core.somaxconn=4096;net.ipv4.tcp_max_syn_backlog=2048;net.ipv4.tcp_syncookies=1", "net.core.somaxconn=4096;net.ipv4.tcp_max_syn_backlog=65535;net.ipv4.tcp_syncookies=1",
			"net.core.somaxconn=65535;net.ipv4.tcp_max_syn_backlog=2048;net.ipv4.tcp_syncookies=1",
			"net.core.somaxconn=65535;net.ipv4.tcp_max_syn_backlog=2048;net.ipv4.tcp_syncookies=0", "net.core.somaxconn=65535;net.ipv4.tcp_max_syn_backlog=65535;net.ipv4.tcp_syncookies=0",
		}, halfOpen},
		{"ports", "connects from one address to one address until there is no port", []string{"net.ipv4.ip_local_port_range=32768 33767", "net.ipv4.ip_local_port_range=1024 3023"}, ports},
		{"reserved", "connects until there is no port; is 7001, where a server of this machine listens, among them", []string{"net.ipv4.ip_local_port_range=7000 7009;net.ipv4.ip_local_reserved_ports=", "net.ipv4.ip_local_port_range=7000 7009;net.ipv4.ip_local_reserved_ports=7001"}, reserved},
		{"time-wait", "500 connects out of 600 ports, all closed by the client, and 500 again after 2 s; addresses that aren't loopback", []string{"net.ipv4.tcp_tw_reuse=2;net.ipv4.ip_local_port_range=20000 20599", "net.ipv4.tcp_tw_reuse=1;net.ipv4.ip_local_port_range=20000 20599"}, timeWait},
		{"slow reader", "bytes the kernel takes for a peer that doesn't read", []string{"net.ipv4.tcp_rmem=4096 131072 6291456;net.ipv4.tcp_wmem=4096 16384 4194304", "net.ipv4.tcp_rmem=4096 16384 4194304;net.ipv4.tcp_wmem=4096 16384 4194304", "net.ipv4.tcp_rmem=4096 16384 4194304;net.ipv4.tcp_wmem=4096 16384 262144"}, slowReader},
		{"keepalive", "what a program that only switches keepalive on gets, and what Go's own connections have", []string{"net.ipv4.tcp_keepalive_time=7200;net.ipv4.tcp_keepalive_intvl=75;net.ipv4.tcp_keepalive_probes=9", "net.ipv4.tcp_keepalive_time=60;net.ipv4.tcp_keepalive_intvl=10;net.ipv4.tcp_keepalive_probes=5"}, keepalive},
		{"dead path", "a connection whose packets are lost from now on has something to send", []string{"net.ipv4.tcp_retries2=5", "net.ipv4.tcp_retries2=8"}, deadPath},
		{"after silence", "the congestion window of a connection that was busy, was silent for 3 s, and sends again", []string{"net.ipv4.tcp_slow_start_after_idle=1", "net.ipv4.tcp_slow_start_after_idle=0"}, afterSilence},
		{"tracking", "1,000 connections; entries in the table of tracked ones without a rule that asks for states, and with one", []string{"net.netfilter.nf_conntrack_tcp_timeout_established=432000"}, tracking},
	}
}

// listener listens on 127.0.0.1 with the longest queue that the setting allows.
func listener(addr string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp4", addr)
}

// begin starts a connect without waiting for it.
func begin(to *net.TCPAddr) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	sa := &unix.SockaddrInet4{Port: to.Port}
	copy(sa.Addr[:], to.IP.To4())
	if err := unix.Connect(fd, sa); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// burst begins so many connects at once to a server that doesn't accept, and waits less than the second after which a packet
// is repeated.
func burst(n int) (l net.Listener, clients []int, err error) {
	if l, err = listener("127.0.0.1:0"); err != nil {
		return nil, nil, err
	}
	if err := write("net.ipv4.ip_local_port_range", "1024 65535"); err != nil {
		return nil, nil, err
	}
	for range n {
		fd, err := begin(l.Addr().(*net.TCPAddr))
		if err != nil {
			return nil, nil, err
		}
		clients = append(clients, fd)
	}
	time.Sleep(500 * time.Millisecond)
	return l, clients, nil
}

func acceptQueue() (string, error) {
	l, clients, err := burst(10_000)
	if err != nil {
		return "", err
	}
	stand := 0
	for _, fd := range clients {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return "", err
		}
		if info.State == 1 { // TCP_ESTABLISHED
			stand++
		}
	}
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		return "", err
	}
	var queue uint32
	var got error
	if err := raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if got = err; err == nil {
			queue = info.Unacked // of a listening socket: how many wait for accept
		}
	}); err != nil || got != nil {
		return "", errors.Join(err, got)
	}
	return fmt.Sprintf("%d wait in the queue and %d clients stand; %d must repeat a packet, after a second at least", queue, stand, len(clients)-int(queue)), nil
}

func halfOpen() (string, error) {
	if err := dropping("tcp flags & (syn | ack) == syn | ack"); err != nil { // the server's answers
		return "", err
	}
	l, _, err := burst(10_000)
	if err != nil {
		return "", err
	}
	n, err := remembered(l.Addr().(*net.TCPAddr).Port)
	if err != nil {
		return "", err
	}
	cookies, err := counter("TcpExt", "SyncookiesSent")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d remembered, %d answered with a cookie, %d not at all", n, cookies, max(0, 10_000-n-cookies)), nil
}

// remembered counts half-open connections of a server's port: state SYN-RECV in /proc/net/tcp.
func remembered(port int) (n int, err error) {
	b, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0, err
	}
	local := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[1], local) && f[3] == "03" {
			n++
		}
	}
	return n, nil
}

// counter is one of /proc/net/netstat.
func counter(group, name string) (int, error) {
	b, err := os.ReadFile("/proc/net/netstat")
	if err != nil {
		return 0, err
	}
	var heads []string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != group+":" {
			continue
		}
		if heads == nil {
			heads = f
			continue
		}
		for i, h := range heads {
			if h == name {
				var n int
				_, err := fmt.Sscan(f[i], &n)
				return n, err
			}
		}
	}
	return 0, fmt.Errorf("no counter %s %s", group, name)
}

// exhaust connects until there is no port; it returns the connections.
func exhaust(l net.Listener, from string) (conns []net.Conn, err error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	for {
		c, err := d.DialContext(context.Background(), "tcp4", l.Addr().String())
		if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EADDRINUSE) {
			return conns, nil
		}
		if err != nil {
			return conns, err
		}
		conns = append(conns, c)
	}
}

// accepting takes what comes and keeps it.
func accepting(l net.Listener) {
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = c.Read(make([]byte, 1)); _ = c.Close() }() // until the peer closes
		}
	}()
}

func ports() (string, error) {
	l, err := listener("127.0.0.1:80")
	if err != nil {
		return "", err
	}
	accepting(l)
	one, err := exhaust(l, "127.0.0.1")
	if err != nil {
		return "", err
	}
	two, err := exhaust(l, "127.0.0.2")
	return fmt.Sprintf("%d connections, then `EADDRNOTAVAIL`; from a second source address %d more", len(one), len(two)), err
}

func reserved() (string, error) {
	l, err := listener("127.0.0.1:80")
	if err != nil {
		return "", err
	}
	accepting(l)
	conns, err := exhaust(l, "127.0.0.1")
	if err != nil {
		return "", err
	}
	taken := "not taken"
	for _, c := range conns {
		if c.LocalAddr().(*net.TCPAddr).Port == 7001 {
			taken = "taken: the server couldn't start"
		}
	}
	return fmt.Sprintf("%d connections, 7001 is %s", len(conns), taken), nil
}

func timeWait() (string, error) {
	if err := command("ip", "addr", "add", "10.9.9.1/32", "dev", "lo"); err != nil {
		return "", err
	}
	l, err := listener("10.9.9.1:80")
	if err != nil {
		return "", err
	}
	accepting(l)
	var got [2]int
	for round := range got {
		for range 500 {
			c, err := dial(l.Addr().String())
			if errors.Is(err, unix.EADDRNOTAVAIL) {
				break
			}
			if err != nil {
				return "", err
			}
			_ = c.Close() // the side that closes first keeps TIME-WAIT for a minute
			got[round]++
		}
		time.Sleep(2 * time.Second)
	}
	return fmt.Sprintf("%d connects, then %d", got[0], got[1]), nil
}

func slowReader() (string, error) {
	l, err := listener("127.0.0.1:80")
	if err != nil {
		return "", err
	}
	fd, err := begin(l.Addr().(*net.TCPAddr))
	if err != nil {
		return "", err
	}
	if _, err := l.Accept(); err != nil { // and never reads
		return "", err
	}
	total, chunk := 0, bytes.Repeat([]byte("x"), 4096)
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		n, err := unix.Write(fd, chunk)
		switch {
		case errors.Is(err, unix.EAGAIN):
			time.Sleep(10 * time.Millisecond) // the kernel may let the buffers grow
		case err != nil:
			return "", err
		default:
			total += n
		}
	}
	return fmt.Sprintf("%d KiB of one connection", total>>10), nil
}
