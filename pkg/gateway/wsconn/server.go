package wsconn

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/gateway/netpoll"
)

const ticksPerSecond = uint32(time.Second / netpoll.Tick)

// Server accepts connections on one port.
type Server struct {
	opt        Options
	listener   net.Listener
	addr       net.Addr
	main       netpoll.Transport
	streams    *netpoll.Streams // what ServeUpgrade brings; main itself on the goroutine transport
	transports []netpoll.Transport
	shards     []shard
	handed     *handed
	upgrades   upgrades
	sockets    atomic.Int64  // connections that aren't dead or handed over
	empty      chan struct{} // sockets became 0
}

// NewServer checks the options. Nothing is bound or started.
func NewServer(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{opt: o, handed: newHanded(nil, o.MaxHTTP), empty: make(chan struct{}, 1)}
	s.upgrades.srv = s
	s.upgrades.idle.L = &s.upgrades.mu
	return s, nil
}

// Listen binds the port, so that Addr is known before Run. Run calls it when nobody did.
func (s *Server) Listen() error {
	l := s.opt.Listener
	if l == nil {
		var err error
		if l, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", s.opt.Listen); err != nil {
			return fmt.Errorf("wsconn: listen: %w", err)
		}
	}
	s.addr = l.Addr()
	s.handed.addr = s.addr
	o := netpoll.Options{Kind: s.opt.Transport, Listener: l, Accept: s.newConn, Log: s.opt.Log,
		Loops: s.opt.Loops, MaxConns: s.opt.MaxConnections, MaxOutbound: s.opt.Limits.Outbound}
	if s.opt.TLS != nil {
		conf := s.opt.TLS.Clone()
		conf.NextProtos = []string{"http/1.1"} // WebSocket upgrades are an HTTP/1.1 matter
		o.Prepare = func(nc net.Conn) (net.Conn, netip.AddrPort, error) { return s.startTLS(nc, conf) }
	}
	var err error
	if s.main, err = netpoll.New(o); err != nil {
		l.Close()
		return fmt.Errorf("wsconn: %w", err)
	}
	s.listener = l
	s.transports = []netpoll.Transport{s.main}
	if streams, ok := s.main.(*netpoll.Streams); ok {
		s.streams = streams
	} else {
		o.Listener = nil
		s.streams = netpoll.NewStreams(o)
		s.transports = append(s.transports, s.streams)
	}
	s.shards = make([]shard, s.main.Loops())
	return nil
}

// Addr is the bound address; nil before Listen.
func (s *Server) Addr() net.Addr { return s.addr }

// Run serves until ctx ends, then aborts what is still open and returns nil once every Peer was told. Call Drain before for
// a graceful end. A server runs once.
func (s *Server) Run(ctx context.Context) error {
	if s.listener == nil {
		if err := s.Listen(); err != nil {
			return err
		}
	}
	s.upgrades.start(ctx)
	var wg sync.WaitGroup
	errs := make(chan error, len(s.transports)+1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	run := func(what string, f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				errs <- fmt.Errorf("wsconn: %s: %w", what, err)
				cancel()
			}
		})
	}
	for _, t := range s.transports {
		run("transport", func() error { return t.Run(ctx) })
	}
	if s.opt.HTTP != nil {
		run("http", func() error {
			if err := s.opt.HTTP.Serve(s.handed); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				return err
			}
			return nil
		})
	}
	<-ctx.Done()
	s.handed.Close()
	if s.opt.HTTP != nil {
		s.opt.HTTP.Close()
	}
	wg.Wait()
	s.upgrades.wait()
	close(errs)
	return <-errs
}

// Drain stops accepting, closes HTTP connections as they become idle, and returns when no connection is left or ctx ended
// (ctx.Err()). Whoever has peers tells them first, and closes them with 1001.
func (s *Server) Drain(ctx context.Context) error {
	for _, t := range s.transports {
		t.StopAccepting()
	}
	if s.opt.HTTP != nil {
		if err := s.opt.HTTP.Shutdown(ctx); err != nil {
			return fmt.Errorf("wsconn: drain: %w", err)
		}
	}
	for s.sockets.Load() > 0 {
		select {
		case <-s.empty:
		case <-ctx.Done():
			return fmt.Errorf("wsconn: drain: %w", ctx.Err())
		}
	}
	s.tellEmpty() // another Drain may wait too
	return nil
}

// left counts a connection that is gone.
func (s *Server) left() {
	if s.sockets.Add(-1) == 0 {
		s.tellEmpty()
	}
}

func (s *Server) tellEmpty() {
	select {
	case s.empty <- struct{}{}:
	default:
	}
}

// pingAfter is how much silence to wait for: up to 10% less than asked for, so that a million pings don't come together.
func (s *Server) pingAfter() time.Duration {
	d := s.opt.PingAfter
	if d < 10 {
		return d
	}
	return d - time.Duration(rand.Int64N(int64(d/10)))
}
