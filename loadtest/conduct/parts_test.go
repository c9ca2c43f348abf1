package conduct

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/loadtest/result"
	"github.com/murre-chat/murre/loadtest/scenario"
	"github.com/murre-chat/murre/loadtest/worker"
)

// TestReachedWorkers: workers that wait elsewhere do as well as those that are started here.
func TestReachedWorkers(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				_ = worker.Serve(ctx, c, c)
				_ = c.Close()
			})
		}
	})
	r := drive(t, small, honest, "machines: [local, 'tcp:"+l.Addr().String()+"']")
	require.True(t, r.OK, "%+v", r)
	require.Len(t, r.Machines, 2)
	require.NoError(t, l.Close())
	cancel()
	served.Wait()
}

// TestWorkerLost: a run that loses a worker ends early, says so, and keeps what it has.
func TestWorkerLost(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() { // a worker that dies at the ramp
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(c)
			for {
				line, err := in.ReadString('\n')
				if err != nil || strings.Contains(line, `"ramp"`) {
					break
				}
				if strings.Contains(line, `"hello"`) {
					_, _ = io.WriteString(c, `{"hello":{"version":1,"now":1}}`+"\n")
				} else {
					_, _ = io.WriteString(c, `{"ready":{"pid":1}}`+"\n")
				}
			}
			_ = c.Close()
		}
	}()
	sc, err := scenario.Parse([]byte(strings.Replace(small, "each: 20", "each: 20, machines: [local, 'tcp:"+l.Addr().String()+"']", 1)))
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	r := newRun(Options{Scenario: sc, Worker: self, Work: t.TempDir(), Display: silent{}, Log: io.Discard})
	f, err := newFake(r.p, honest)
	require.NoError(t, err)
	r.stage = f
	res, err := r.do(t.Context())
	require.ErrorContains(t, err, "is lost")
	require.False(t, res.OK)
	require.Contains(t, res.Failure, "is lost")
	require.Equal(t, result.EventWorkerLost, res.Events[len(res.Events)-1].Kind)
}

// TestCountSessions: keys of sessions on masters are counted, page by page; replicas have the same ones.
func TestCountSessions(t *testing.T) {
	serve := func(role string) string {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			r := bufio.NewReader(c)
			for {
				v, err := readReply(r) // a command looks like a reply
				if err != nil {
					return
				}
				words, _ := v.([]any)
				switch {
				case words[0] == "ROLE":
					fmt.Fprintf(c, "*2\r\n$%d\r\n%s\r\n:0\r\n", len(role), role)
				case words[1] == "0":
					_, _ = io.WriteString(c, "*2\r\n$2\r\n17\r\n*2\r\n$7\r\nsess:{a\r\n$7\r\nsess:{b\r\n")
				default:
					_, _ = io.WriteString(c, "*2\r\n$1\r\n0\r\n*1\r\n$7\r\nsess:{c\r\n")
				}
			}
		}()
		return l.Addr().String()
	}
	n, err := countSessions(t.Context(), []string{serve("master"), serve("slave"), serve("master")})
	require.NoError(t, err)
	require.Equal(t, 6, n)

	for text, want := range map[string]any{"+OK\r\n": "OK", ":12\r\n": int64(12), "$-1\r\n": nil, "*0\r\n": []any{}} {
		got, err := readReply(bufio.NewReader(strings.NewReader(text)))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{"", "\r\n", "-ERR no\r\n", "$x\r\n", "?1\r\n", "$5\r\nab"} {
		_, err := readReply(bufio.NewReader(strings.NewReader(bad)))
		require.Error(t, err, bad)
	}
	_, err = countSessions(t.Context(), []string{"127.0.0.1:1"})
	require.Error(t, err)
	require.False(t, errors.Is(err, io.EOF))
}

// TestMeter: what this very process takes is found, and the account adds up.
func TestMeter(t *testing.T) {
	m := newMeter()
	held := make([]byte, 32<<20)
	for i := range held {
		held[i] = byte(i)
	}
	groups := map[string][]int{result.GroupGateways: {os.Getpid()}}
	use := m.point(groups)[result.GroupGateways]
	require.Equal(t, 1, use.Processes)
	require.Greater(t, use.Bytes, int64(32<<20))
	require.Zero(t, use.CPUSeconds, "nothing to compare with yet")
	a := m.account(groups, nil)
	var sum int64
	for _, p := range a.Parts {
		sum += p.Bytes
	}
	require.Equal(t, a.InUseBytes-a.BeforeBytes, sum, "with what wasn't found it is all that the machine has in use more")
	require.NotZero(t, held[5])
	gone := m.point(map[string][]int{result.GroupGateways: {1 << 30}})[result.GroupGateways]
	require.Zero(t, gone.Bytes)
}

// TestSlopes: a straight line is found in what follows one, and nothing in too few points.
func TestSlopes(t *testing.T) {
	var points []result.Point
	for i := range 100 {
		points = append(points, result.Point{At: float64(i), Use: map[string]result.Use{result.GroupRedis: {Bytes: int64(1000 + 2*i), Descriptors: 7}}})
	}
	got := slopes(points, 50, 90)
	require.Len(t, got, 2)
	require.InDelta(t, 1100, got[0].First, 1e-6)
	require.InDelta(t, 1180, got[0].Last, 1e-6)
	require.InDelta(t, 7200, got[0].PerHour, 1e-3)
	require.InDelta(t, 0, got[1].PerHour, 1e-6)
	require.Empty(t, slopes(points, 98, 99))
}
