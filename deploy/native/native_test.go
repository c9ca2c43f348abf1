package native

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain is also a stand-in for murre, so that the balancer's and the gateways' handling is tested without the program
// that is built from what these tests test: it answers /readyz, and on its port who the PROXY header says called.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		if err := standIn(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func standIn(args []string) error {
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	var o struct{ name, listen, admin, data, proxies, rate, mood string }
	fs.StringVar(&o.name, "name", "", "")
	fs.StringVar(&o.listen, "listen", "", "")
	fs.StringVar(&o.admin, "admin", "", "")
	fs.StringVar(&o.data, "data", "", "")
	fs.StringVar(&o.proxies, "trusted-proxies", "", "")
	fs.StringVar(&o.rate, "rate", "", "")
	fs.StringVar(&o.mood, "mood", "", "")
	for _, ignored := range []string{"store", "redis", "s3"} {
		fs.String(ignored, "", "")
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	if o.mood == "refuse" {
		return errors.New("somebody else has my name")
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	clients, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := clients.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprintf(c, "%s %s %s\n", o.name, caller(c), c.RemoteAddr().(*net.TCPAddr).IP)
			}()
		}
	}()
	admin, err := net.Listen("tcp", o.admin)
	if err != nil {
		return err
	}
	go func() {
		_ = http.Serve(admin, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if o.mood == "unready" {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
	}()
	<-ctx.Done()
	return nil
}

// caller is the source address of a PROXY protocol v2 header over IPv4.
func caller(r io.Reader) string {
	var head [28]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || !bytes.HasPrefix(head[:], []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11")) {
		return "no-proxy-header"
	}
	return net.IP(head[16:20]).String()
}

func up(t *testing.T, opt Options) *Cluster {
	t.Helper()
	if opt.Dir == "" {
		opt.Dir = t.TempDir()
	}
	c, err := Up(t.Context(), opt)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := Down(ctx, opt.Dir); err != nil {
			t.Error(err)
		}
	})
	require.NoError(t, err)
	return c
}

func TestGatewaysBehindTheBalancer(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	c := up(t, Options{Binary: self, Gateways: 3, HAProxy: true})
	require.Equal(t, []string{"gateway-1", "gateway-2", "gateway-3", "haproxy"}, c.Members())

	// Everyone gets clients, with the clients' own address, from the balancer's address.
	seen := map[string]bool{}
	var held []net.Conn // leastconn only spreads what stays open
	for range 6 {
		conn, line := callFrom(t, c, "127.0.0.77")
		held = append(held, conn)
		f := strings.Fields(line)
		require.Len(t, f, 3, line)
		require.Equal(t, "127.0.0.77", f[1])
		require.Equal(t, c.ip(balancerAt), f[2])
		seen[f[0]] = true
	}
	for _, conn := range held {
		require.NoError(t, conn.Close())
	}
	require.Len(t, seen, 3)

	// A killed gateway gets none, and comes back.
	require.NoError(t, c.Kill(t.Context(), "gateway-2"))
	require.Zero(t, c.Pid("gateway-2"))
	for range 6 {
		conn, line := callFrom(t, c, "127.0.0.77")
		require.NotContains(t, line, "gateway-2")
		require.NoError(t, conn.Close())
	}
	require.NoError(t, c.Start(t.Context(), "gateway-2"))
	require.NotZero(t, c.Pid("gateway-2"))
	await(t, func() error { return balancerProbe(t.Context(), c.BalancerPage(), 3) })

	// One that turns unready is taken out, one that refuses to run ends.
	require.NoError(t, c.End(t.Context(), "gateway-3"))
	require.NoError(t, c.Launch("gateway-3", "--mood", "unready"))
	extra, err := c.AddGateway("--mood", "refuse")
	require.NoError(t, err)
	require.Equal(t, "gateway-4", extra)
	require.NoError(t, c.Launch(extra))
	require.NoError(t, c.AwaitEnd(t.Context(), extra, 10*time.Second))
	text, err := os.ReadFile(c.Log(extra))
	require.NoError(t, err)
	require.Contains(t, string(text), "somebody else has my name")
	await(t, func() error {
		if balancerProbe(t.Context(), c.BalancerPage(), 3) == nil {
			return errors.New("the balancer still sends clients to the unready gateway")
		}
		return nil
	})
	require.NoError(t, balancerProbe(t.Context(), c.BalancerPage(), 2))
}

// callFrom connects through the balancer from an address and reads the line that a stand-in says.
func callFrom(t *testing.T, c *Cluster, from string) (net.Conn, string) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	conn, err := d.DialContext(t.Context(), "tcp", c.Addr("haproxy"))
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	return conn, line
}

func await(t *testing.T, ok func() error) {
	t.Helper()
	require.NoError(t, eventually(t.Context(), 20*time.Second, 20*time.Millisecond, func(context.Context) error { return ok() }))
}

func TestRedisClusterFailsOver(t *testing.T) {
	c := up(t, Options{Redis: true})
	addrs := c.Redis()
	require.Len(t, addrs, 6)
	require.NoError(t, redisProbe(addrs)(t.Context()))

	require.NoError(t, c.Kill(t.Context(), "redis-1"))
	require.ErrorContains(t, c.Kill(t.Context(), "redis-1"), "not running")
	// Its replica takes over.
	await(t, func() error {
		role, err := redisCall(t.Context(), addrs[3], "INFO replication")
		if err == nil && !strings.Contains(role, "role:master") {
			err = errors.New("still a replica")
		}
		return err
	})
	// It comes back as a replica of its replica, on its old nodes.conf.
	require.NoError(t, c.Start(t.Context(), "redis-1"))
	await(t, func() error { return redisProbe(addrs)(t.Context()) })

	// Frozen: nobody answers, and the process counts as running.
	require.NoError(t, c.Stop("redis-2"))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := redisCall(ctx, addrs[1], "PING")
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NotZero(t, c.Pid("redis-2"))
	require.NoError(t, c.Cont("redis-2"))
	await(t, func() error { _, err := redisCall(t.Context(), addrs[1], "PING"); return err })
}

// A cluster that crashed, or was started by another program, is found by its pid files; what no longer belongs is ended,
// and a number that now belongs to a stranger is left alone.
func TestUpFindsWhatRuns(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	opt := Options{Dir: t.TempDir(), Binary: self, Gateways: 2}
	first := up(t, opt)
	one, two := first.Pid("gateway-1"), first.Pid("gateway-2")

	opt.Gateways = 1
	again := up(t, opt)
	require.Equal(t, one, again.Pid("gateway-1"), "the one that ran was kept")
	require.Zero(t, first.Pid("gateway-2"))
	_, err = startTime(two)
	require.Error(t, err, "the stranger has ended")

	require.Error(t, Remove(opt.Dir), "it still runs")
	require.NoError(t, Down(t.Context(), opt.Dir))

	stranger := filepath.Join(opt.Dir, "pid", "gateway-1.pid")
	require.NoError(t, os.WriteFile(stranger, fmt.Appendf(nil, "%d %d\n", os.Getpid(), 1), 0o644))
	require.NoError(t, Down(t.Context(), opt.Dir), "we are alive: the pid file was not of us")
	require.NoError(t, Remove(opt.Dir))
	list, err := Running(opt.Dir)
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestAMemberThatDiesSaysWhy(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	_, err = Up(t.Context(), Options{Dir: t.TempDir(), Binary: self, Gateways: 1, GatewayArgs: []string{"--mood", "refuse"}})
	require.ErrorContains(t, err, "gateway-1 has ended")
	require.ErrorContains(t, err, "somebody else has my name")
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := Up(t.Context(), Options{Dir: t.TempDir(), Subnet: "10.0.0"})
	require.ErrorContains(t, err, "10.0.0")
	_, err = Up(t.Context(), Options{Dir: t.TempDir(), Gateways: 1, Binary: "/nowhere"})
	require.ErrorContains(t, err, "/nowhere")
}
