package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/loadtest/procfs"
	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/protocol"
)

// rig is what one run of a scenario works with: a server, a loop of clients, and where figures go.
type rig struct {
	name  string // of the scenario
	scale scale
	dir   string
	o     BenchOptions
	res   *Result

	fleet    *fleet // the cluster that is measured; nil: a server alone
	s        *Server
	l        *wire.Loop
	stopLoop context.CancelFunc
	loopDone chan error
}

// start starts the server (with a wrapper command, or none) and, the first time, the loop.
func (r *rig) start(ctx context.Context, wrap ...string) error {
	if r.fleet != nil {
		if err := r.fleet.up(ctx, r.o.Cassandra); err != nil {
			return err
		}
		r.s = r.fleet.srv
		return r.startLoop(ctx)
	}
	s, err := StartServer(ctx, ServerOptions{Bin: r.o.Bin, Dir: r.dir, Args: r.o.Args, Wrap: wrap})
	if err != nil {
		return err
	}
	r.s = s
	return r.startLoop(ctx)
}

// startLoop starts the loop of clients unless it runs.
func (r *rig) startLoop(ctx context.Context) error {
	if r.l != nil {
		return nil
	}
	l, err := wire.NewLoop()
	if err != nil {
		return err
	}
	r.l = l
	loopCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.stopLoop, r.loopDone = cancel, make(chan error, 1)
	go func() { r.loopDone <- r.l.Run(loopCtx) }()
	return nil
}

// stopServer ends the server in peace; of a cluster the gateways.
func (r *rig) stopServer(ctx context.Context) error {
	s := r.s
	r.s = nil
	switch {
	case s == nil:
		return nil
	case s.fleet != nil:
		return s.fleet.endGateways(ctx)
	}
	return s.Stop()
}

// people mints people of a family. On a cluster, whose data outlives a run, they are others in each.
func (r *rig) people(family string, n int) []*person {
	return people(r.s, r.uniqueTag()+family, n)
}

// uniqueTag is different in each use of a cluster, and nothing for a server alone.
func (r *rig) uniqueTag() string {
	if r.fleet == nil {
		return ""
	}
	return r.fleet.tag()
}

func (r *rig) close() error {
	var errs []error
	if r.l != nil {
		r.stopLoop()
		errs = append(errs, <-r.loopDone)
	}
	if r.s != nil && r.s.cmd != nil { // a cluster outlives what is done with it
		errs = append(errs, r.s.Died())
		r.s.Kill() // data is thrown away; stopping in peace is tested elsewhere
	}
	return errors.Join(errs...)
}

// on runs f on the loop and waits.
func (r *rig) on(ctx context.Context, f func()) error { return r.l.Call(ctx, f) }

// hooks is a Handler of functions; a nil one does nothing.
type hooks struct {
	welcome func(*wire.Client, *protocol.WelcomePayload)
	message func(*wire.Client, *protocol.Message, bool)
	sent    func(*wire.Client, *protocol.Message)
	status  func(*wire.Client, *protocol.StatusPayload)
	synced  func(*wire.Client, *protocol.SyncedPayload)
	failed  func(*wire.Client, *protocol.ErrorPayload)
	closed  func(*wire.Client, error)
	errors  int
	lastErr protocol.ErrorPayload
}

func (h *hooks) Welcome(c *wire.Client, w *protocol.WelcomePayload) {
	if h.welcome != nil {
		h.welcome(c, w)
	}
}

func (h *hooks) Message(c *wire.Client, m *protocol.Message, batch bool) {
	if h.message != nil {
		h.message(c, m, batch)
	}
}

func (h *hooks) Sent(c *wire.Client, m *protocol.Message) bool {
	if h.sent != nil {
		h.sent(c, m)
	}
	return true
}

// Event implements wire.Handler; no scenario looks at events.
func (h *hooks) Event(*wire.Client, *protocol.EventFrame) {}

func (h *hooks) Status(c *wire.Client, s *protocol.StatusPayload) {
	if h.status != nil {
		h.status(c, s)
	}
}

func (h *hooks) Synced(c *wire.Client, s *protocol.SyncedPayload) {
	if h.synced != nil {
		h.synced(c, s)
	}
}

func (h *hooks) Error(c *wire.Client, e *protocol.ErrorPayload) {
	h.errors++
	h.lastErr = *e
	if h.failed != nil {
		h.failed(c, e)
	}
}

func (h *hooks) Closed(c *wire.Client, err error) {
	if h.closed != nil {
		h.closed(c, err)
	}
}

// wrong is an error when the server sent error frames.
func (h *hooks) wrong() error {
	if h.errors == 0 {
		return nil
	}
	return fmt.Errorf("%d error frames, the last: %s %s %s", h.errors, h.lastErr.Code, h.lastErr.Field, h.lastErr.Message)
}

// ramp connects many clients, so many at a time, through their shared hooks.
type ramp struct {
	clients  []*wire.Client
	window   int
	next     int
	welcomed int
	synced   int
	goal     int // synced at which done is closed
	refused  int
	err      error
	began    time.Time
	lastUp   time.Time // when the last one was welcomed
	done     chan struct{}
}

// connect brings all clients up and returns how it went once goal of them (0: all) are synced. The hooks' welcome, synced
// and closed are used meanwhile, and put back.
func (r *rig) connect(ctx context.Context, h *hooks, clients []*wire.Client, window, goal int) (*ramp, error) {
	if goal == 0 {
		goal = len(clients)
	}
	p := &ramp{clients: clients, window: window, goal: goal, began: time.Now(), done: make(chan struct{})}
	saved := *h
	err := r.on(ctx, func() {
		h.welcome = func(c *wire.Client, w *protocol.WelcomePayload) {
			p.welcomed++
			p.lastUp = time.Now()
			p.more()
			if saved.welcome != nil {
				saved.welcome(c, w)
			}
		}
		h.synced = func(c *wire.Client, s *protocol.SyncedPayload) {
			if p.synced++; p.synced == p.goal {
				close(p.done)
			}
			if saved.synced != nil {
				saved.synced(c, s)
			}
		}
		h.closed = func(c *wire.Client, err error) {
			p.refused++
			p.err = err
			if p.refused < 100+len(clients)/10 {
				_ = c.Connect()
			}
		}
		for range window {
			p.more()
		}
	})
	if err != nil {
		return p, err
	}
	defer func() {
		_ = r.on(ctx, func() { h.welcome, h.synced, h.closed = saved.welcome, saved.synced, saved.closed })
	}()
	limit := 3 * time.Minute
	if r.fleet != nil {
		limit = 10 * time.Minute // everybody's account is made on first sight, by compare-and-set
	}
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-p.done:
		return p, nil
	case <-r.s.done:
		return p, r.s.Died()
	case <-late.C:
		return p, fmt.Errorf("connected %d and synced %d of %d in %s; %d refused, the last: %w", p.welcomed, p.synced, len(clients), limit, p.refused, errOr(p.err))
	case <-ctx.Done():
		return p, ctx.Err()
	}
}

func errOr(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

func (p *ramp) more() {
	if p.next == len(p.clients) {
		return
	}
	c := p.clients[p.next]
	p.next++
	if err := c.Connect(); err != nil {
		p.err = err
		p.refused++
	}
}

// sleep waits while the load goes on: how long is the measurement itself.
// steadyAge is how old a server is when rates are measured: a process that has just started looks up more than one that
// runs, because it can't know what came before it.
const steadyAge = 12 * time.Second

// trustWait bounds how long is waited for gateways to believe what Redis remembers, which takes them a minute.
const trustWait = 3 * time.Minute

// warmUp lets the load run until figures are those of a server that has been up for a while. The shortest form, which
// sets no targets, doesn't wait for that.
func (r *rig) warmUp(ctx context.Context) error {
	d := r.scale.warm
	if r.scale.warm >= time.Second {
		d = max(d, steadyAge-time.Since(r.s.began))
		if r.fleet != nil {
			if err := r.fleet.steady(ctx); err != nil {
				return err
			}
		}
	}
	return r.sleep(ctx, d)
}

func (r *rig) sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return r.s.Died()
	case <-r.s.done:
		return r.s.Died()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// profile fetches one of the server's profiles beside what goes on, if profiles are wanted. The channel gives its error.
func (r *rig) profile(ctx context.Context, kind, query string) <-chan error {
	done := make(chan error, 1)
	if r.o.Profiles == "" {
		done <- nil
		return done
	}
	go func() {
		var g errgroup.Group
		for name, admin := range r.s.admins() {
			g.Go(func() error {
				return fetchFile(ctx, admin+"/debug/pprof/"+query, filepath.Join(r.o.Profiles, r.name+name+"."+kind+".pprof"))
			})
		}
		done <- g.Wait()
	}()
	return done
}

func fetchFile(ctx context.Context, url, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", url, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", url, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("fetch %s: status %d", url, res.StatusCode)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("fetch %s: %w", url, err)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", url, err)
	}
	_, err = io.Copy(f, res.Body)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("fetch %s: %w", url, err)
	}
	return nil
}

// window measures the server's CPU time and the clock over a stretch, and what counters moved by.
type window struct {
	cpu, wall, client time.Duration
	moved             []int64
}

func (r *rig) measure(ctx context.Context, d time.Duration, counters ...*int64) (window, error) {
	var w window
	before := make([]int64, len(counters))
	read := func(to []int64) (time.Time, time.Duration, time.Duration, error) {
		var at time.Time
		err := r.on(ctx, func() {
			for i, c := range counters {
				to[i] = *c
			}
			at = time.Now()
		})
		if err != nil {
			return at, 0, 0, err
		}
		cpu, err := r.s.cpu()
		own, err2 := procfs.CPU(selfPID())
		return at, cpu, own, errors.Join(err, err2)
	}
	t0, c0, o0, err := read(before)
	if err != nil {
		return w, err
	}
	profiled := r.profile(ctx, "cpu", fmt.Sprintf("profile?seconds=%d", max(1, int(d.Seconds())-1)))
	err = r.sleep(ctx, d)
	if err = errors.Join(err, <-profiled); err != nil {
		return w, err
	}
	after := make([]int64, len(counters))
	t1, c1, o1, err := read(after)
	if err != nil {
		return w, err
	}
	w.cpu, w.client, w.wall = c1-c0, o1-o0, t1.Sub(t0)
	for i := range after {
		w.moved = append(w.moved, after[i]-before[i])
	}
	return w, nil
}
