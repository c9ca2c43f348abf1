package netpoll

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
)

// Options of a transport.
type Options struct {
	Kind     Kind
	Listener net.Listener // the transport closes it; epoll needs a *net.TCPListener. nil: only what Attach brings (goroutine)
	// Accept makes the handler of a new connection; nil drops it. It runs on the connection's loop and may set a timeout.
	Accept func(c *Conn, remote netip.AddrPort) Handler
	Log    *slog.Logger

	// Prepare, on the goroutine transport, turns an accepted connection into the one to serve (TLS, a PROXY header), and
	// names its peer. It may block until its own deadline, and closes nothing; an error closes the connection.
	Prepare func(nc net.Conn) (net.Conn, netip.AddrPort, error)

	Loops       int // epoll event loops; default one a core
	MaxConns    int // open connections; more are closed as they are accepted; default 1 << 20
	MaxOutbound int // bytes waiting for one connection; default 256 KiB
}

// Transport accepts connections and runs their handlers.
type Transport interface {
	// Run serves until ctx ends, then closes everything with ErrStopped and returns once every handler was told.
	Run(ctx context.Context) error
	// StopAccepting closes the listener; connections stay. May be called more than once.
	StopAccepting()
	// Loops is the number of loops, for sharding by Conn.Loop.
	Loops() int
	// Stats reads the counters: cheap.
	Stats() Stats
}

// Stats are a transport's counters since its start, and gauges.
type Stats struct {
	Open     int64 // connections now, detached ones not
	Accepted uint64
	Full     uint64 // connections closed at once because of MaxConns
	In, Out  uint64 // bytes
	Queued   int64  // bytes waiting to be written now
}

// traffic counts bytes for one loop. Padded: another loop's counters don't share its cache line.
type traffic struct {
	in, out atomic.Uint64
	queued  atomic.Int64
	_       [40]byte
}

func (t *traffic) addTo(s *Stats) {
	s.In += t.in.Load()
	s.Out += t.out.Load()
	s.Queued += t.queued.Load()
}

// New makes a transport. Nothing is started.
func New(o Options) (Transport, error) {
	if o.Accept == nil {
		return nil, errors.New("netpoll: Options.Accept is missing")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Kind == Auto {
		o.Kind = Default()
	}
	if o.Loops <= 0 {
		o.Loops = runtime.GOMAXPROCS(0)
	}
	if o.MaxConns <= 0 {
		o.MaxConns = 1 << 20
	}
	if o.MaxOutbound <= 0 {
		o.MaxOutbound = 256 << 10
	}
	if o.Kind == Epoll {
		return newEpoll(o)
	}
	return NewStreams(o), nil
}
