package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/loadtest/control"
	"github.com/murre-chat/murre/loadtest/ledger"
	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/loadtest/procfs"
	"github.com/murre-chat/murre/loadtest/scenario"
	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// Worker is one worker's state; all of it is the loop's.
type Worker struct {
	setup   control.Setup
	sc      *scenario.Scenario
	p       *population.Population
	book    *ledger.Book
	member  *population.Memberships
	loop    *wire.Loop
	out     *control.Stream
	rng     *rand.Rand
	targets []netip.AddrPort
	seats   []seat
	timers  timers
	uploads *uploads

	ramp    ramp
	traffic traffic
	phase   phase
	tally   tally
	awaited map[chat.MessageID]int64 // when messages were due whose receipts are timed, controller's µs

	connected, wanted, synced int
	stormed, stormBack        int
	open                      int  // messages that aren't answered
	again                     int  // users who have yet to be synced again
	judged                    bool // nothing may be pending for them
	frame                     protocol.ClientFrame
	text                      []byte
	err                       error // why the worker can't go on
}

// phase says what people do.
type phase uint8

const (
	ramping phase = iota
	chatting
	quieting
)

// Serve is a worker's life: it obeys what comes on r and answers on w until it has finished, the stream ends (which is an
// error when it wasn't finished) or ctx ends.
func Serve(ctx context.Context, r io.Reader, w io.Writer) error {
	s := control.NewStream(r, w)
	err := serve(ctx, s)
	if err != nil && ctx.Err() == nil {
		_ = s.Write(control.Answer{Failed: err.Error()}) // the controller may be the one who is gone
	}
	return err
}

func serve(ctx context.Context, s *control.Stream) error {
	var setup *control.Setup
	for setup == nil {
		var c control.Command
		if err := s.Read(&c); err != nil {
			return err
		}
		switch {
		case c.Hello != nil:
			if err := s.Write(control.Answer{Hello: &control.Clock{Version: control.Version, Now: time.Now().UnixMicro()}}); err != nil {
				return err
			}
		case c.Setup != nil:
			setup = c.Setup
		default:
			return errors.New("worker: a command before the setup")
		}
	}
	base := procfs.Anonymous(os.Getpid())
	w, err := newWorker(setup, s)
	if err != nil {
		return err
	}
	w.tally.base = base
	return w.run(ctx)
}

func newWorker(setup *control.Setup, s *control.Stream) (*Worker, error) {
	sc, err := scenario.Parse([]byte(setup.Scenario))
	if err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	debug.SetGCPercent(sc.Workers.GOGC)
	if sc.Workers.Procs > 0 {
		runtime.GOMAXPROCS(sc.Workers.Procs)
	}
	p := population.New(setup.Shape)
	if setup.From < 0 || setup.To > p.Users || setup.From >= setup.To || setup.Every <= 0 {
		return nil, fmt.Errorf("worker: users %d to %d of %d", setup.From, setup.To, p.Users)
	}
	w := &Worker{
		setup: *setup, sc: sc, p: p, out: s, rng: rand.New(rand.NewPCG(sc.Seed, uint64(setup.Worker)+1)),
		awaited: map[chat.MessageID]int64{},
		book:    ledger.NewBook(p, time.UnixMicro(setup.Began-setup.Offset)), member: p.Memberships(setup.From, setup.To),
	}
	if sc.Server.Engine != scenario.Embedded {
		w.book.Late = lateInLog
	}
	for _, t := range setup.Targets {
		a, err := netip.ParseAddrPort(t)
		if err != nil {
			return nil, fmt.Errorf("worker: target: %w", err)
		}
		w.targets = append(w.targets, a)
	}
	if len(w.targets) == 0 {
		return nil, errors.New("worker: no targets")
	}
	if w.loop, err = wire.NewLoop(); err != nil {
		return nil, err
	}
	var sources []netip.Prefix
	for _, text := range sc.Workers.Sources {
		if prefix, err := netip.ParsePrefix(text); err == nil { // the scenario was checked
			sources = append(sources, prefix)
		}
	}
	w.loop.From(sources)
	w.seats = make([]seat, setup.To-setup.From)
	for i := range w.seats {
		w.seats[i].init(w, i)
	}
	w.frame.Type = protocol.TypeMessage
	w.tally.init(w)
	return w, nil
}

// run drives the loop and obeys until it has finished.
func (w *Worker) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g, ctx := errgroup.WithContext(ctx)
	w.uploads = newUploads(ctx, g, w)
	finished := errors.New("finished")
	commands := make(chan control.Command)
	// Reading can't be interrupted: the reader ends with the stream, which its owner closes.
	go w.read(ctx, commands, cancel)
	g.Go(func() error {
		w.loop.Do(func() { w.loop.Schedule(w.turn) })
		return w.loop.Run(ctx)
	})
	g.Go(func() error {
		if err := w.out.Write(control.Answer{Ready: &control.Ready{PID: os.Getpid(), Machine: machine()}}); err != nil {
			return err
		}
		for {
			select {
			case <-ctx.Done():
				return nil
			case c := <-commands:
				var done bool
				var err error
				if e := w.loop.Call(ctx, func() { done, err = w.obey(&c) }); e != nil {
					return nil //nolint:nilerr // the loop has ended: its reason is reported
				}
				if err != nil {
					return err
				}
				if done {
					cancel(finished)
					return nil
				}
			}
		}
	})
	err := g.Wait()
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, finished) {
		err = cause
	}
	return err
}

// read hands commands on until the stream ends.
func (w *Worker) read(ctx context.Context, commands chan<- control.Command, cancel context.CancelCauseFunc) {
	for {
		var c control.Command
		if err := w.out.Read(&c); err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("worker: the controller is gone")
			}
			cancel(err)
			return
		}
		select {
		case commands <- c:
		case <-ctx.Done():
			return
		}
	}
}

// obey does what the controller says; on the loop. done: there is nothing more to do.
func (w *Worker) obey(c *control.Command) (done bool, err error) {
	switch {
	case w.err != nil:
		return false, w.err
	case c.Ramp != nil:
		w.beginRamp(c.Ramp)
	case c.Chat != nil:
		w.tally.full = procfs.Anonymous(os.Getpid())
		w.beginChat(c.Chat)
	case c.Storm != nil:
		w.beginStorm()
	case c.Calm != nil:
		w.tally.stormTo = w.micros(time.Now().UnixNano())
	case c.Quiet != nil:
		w.beginQuiet()
	case c.Again != nil:
		return false, w.beginAgain(c.Again)
	case c.Account != nil:
		return false, w.account(c.Account.Bounds)
	case c.Claims != nil:
		return false, w.book.JudgeClaims(c.Claims)
	case c.Members != nil:
		return false, w.out.Write(control.Answer{Members: &control.MemberAccounts{Accounts: w.book.Members(c.Members, w.setup.From, w.setup.To)}})
	case c.Finish != nil:
		return true, w.out.Write(control.Answer{Done: w.tally.final(w)})
	default:
		return false, errors.New("worker: an unknown command")
	}
	return false, nil
}

// maxFired is how many timers go off before the sockets are looked at again: when thousands dial at once, those who are connected
// must get to send their request before the server gives them up.
const maxFired = 64

// turn is called on each turn of the loop: what is due is done. It says in how long it wants to be called again.
func (w *Worker) turn(int64) time.Duration {
	now := time.Now().UnixNano()
	for range maxFired {
		t, due := w.timers.pop(now)
		if !due {
			break
		}
		w.fire(t, now)
	}
	next := min(w.moreRamp(now), w.moreTraffic(now), w.tally.tick(w, now))
	if len(w.timers) > 0 {
		next = min(next, w.timers[0].at)
	}
	return max(time.Duration(next-now), time.Microsecond)
}

// fire does what a timer is for.
func (w *Worker) fire(t timer, now int64) {
	s := &w.seats[t.seat]
	switch t.kind {
	case toConnect:
		if s.epoch == t.epoch && s.wanted && !s.up {
			w.dial(s, now)
		}
	case toGiveUp:
		if s.epoch == t.epoch && !s.up {
			s.c.Cut()
			w.tally.fail("dial timeout")
			w.failed(s, now, 0)
		}
	case toComeBack:
		if !s.wanted {
			s.wanted = true
			w.wanted++
			s.attempts = 0
			w.dial(s, now)
		}
	case toLeave:
		if s.epoch == t.epoch && s.up {
			s.c.Close()
			w.down(s)
			s.elsewhere(w)
			w.dial(s, now)
		}
	case toRetry:
		w.retry(s, now)
	case toWrite:
		switch {
		case w.phase != chatting:
		case s.wanted:
			w.write(s, int(t.conv), t.at)
		default: // who went away meanwhile writes when back
			t.at = now + int64(time.Second)
			w.timers.push(t)
		}
	case toRead:
		w.readUpTo(s, int(t.conv), t.msg)
	}
}

// micros is a local time in the controller's µs.
func (w *Worker) micros(ns int64) int64 { return ns/1000 + w.setup.Offset }

// account sends the ledger's lines, then the claims by worker.
func (w *Worker) account(bounds []int) error {
	lines := w.book.Lines()
	for {
		n := min(len(lines), control.Part/ledger.LineSize*ledger.LineSize)
		if err := w.out.Write(control.Answer{Account: &control.Lines{Packed: lines[:n], Last: n == len(lines)}}); err != nil {
			return err
		}
		if lines = lines[n:]; len(lines) == 0 {
			break
		}
	}
	by := make([][]byte, len(bounds))
	var err error
	flush := func(i int) {
		if err == nil && len(by[i]) > 0 {
			err = w.out.Write(control.Answer{Claims: &control.Claims{Worker: i, Packed: by[i]}})
		}
		by[i] = by[i][:0]
	}
	w.book.Claims(func(member int, packed []byte) {
		i := WorkerOf(bounds, member)
		if by[i] = append(by[i], packed...); len(by[i]) >= control.Part {
			flush(i)
		}
	})
	for i := range by {
		flush(i)
	}
	if err != nil {
		return err
	}
	return w.out.Write(control.Answer{Claims: &control.Claims{Last: true}})
}

// WorkerOf is the worker whose user one is; bounds are the first users of all.
func WorkerOf(bounds []int, user int) int {
	lo, hi := 0, len(bounds)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; bounds[mid] <= user {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}
