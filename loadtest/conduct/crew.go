package conduct

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/murre-chat/murre/loadtest/control"
	"github.com/murre-chat/murre/loadtest/result"
)

// spareDescriptors are those of a worker that are no connections.
const spareDescriptors = 100

// crew are the workers of a run.
type crew struct {
	hands  []*hand
	said   chan said
	events chan result.Event // of what goes on beside
	left   int               // answers that are waited for
	wait   sync.WaitGroup    // of the readers
	stop   context.CancelFunc
}

// hand is one worker.
type hand struct {
	n, from, to int
	where       string // "local", "ssh:…", "tcp:…"
	stream      *control.Stream
	end         func() // lets it go: closes the stream, waits for the process
	pid         int
	machine     result.Machine
	last        control.Tick
	claims      []byte // receipts about its users that others saw, packed
	full, base  int64
	done        bool
}

// said is what came from a worker.
type said struct {
	worker int
	answer control.Answer
	err    error
}

func (h *hand) tell(c control.Command) error {
	if err := h.stream.Write(c); err != nil {
		return fmt.Errorf("worker %d: %w", h.n, err)
	}
	return nil
}

// each tells every worker something of its own.
func (c *crew) each(what func(*hand) control.Command) error {
	for _, h := range c.hands {
		if err := h.tell(what(h)); err != nil {
			return err
		}
	}
	return nil
}

func (c *crew) all(cmd control.Command) error {
	return c.each(func(*hand) control.Command { return cmd })
}

// sum adds up what the workers' last ticks said.
func (c *crew) sum(of func(*control.Tick) int) int {
	n := 0
	for _, h := range c.hands {
		n += of(&h.last)
	}
	return n
}

func (c *crew) sum64(of func(*control.Tick) int64) int64 {
	var n int64
	for _, h := range c.hands {
		n += of(&h.last)
	}
	return n
}

// pids are the local workers' processes.
func (c *crew) pids() (out []int) {
	for _, h := range c.hands {
		if h.where == "local" {
			out = append(out, h.pid)
		}
	}
	return out
}

// each worker's share: as many as descriptors allow, and all alike.
func (r *run) perWorker() int {
	each := r.sc.Workers.Each
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err == nil && l.Max > 2*spareDescriptors {
		each = int(min(uint64(each), l.Max-spareDescriptors))
	}
	return each
}

// startCrew starts the workers, measures their clocks and tells them who they are.
func startCrew(ctx context.Context, r *run) (*crew, error) {
	users, machines := r.sc.Users.Count, r.sc.Workers.Machines
	n := max((users+r.perWorker()-1)/r.perWorker(), min(len(machines), users))
	readers, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &crew{said: make(chan said, 4*n), events: make(chan result.Event, 64), stop: stop}
	r.crew = c
	for i := range n {
		h := &hand{n: i, from: int(int64(users) * int64(i) / int64(n)), to: int(int64(users) * int64(i+1) / int64(n)), where: machines[i%len(machines)]}
		if err := h.start(ctx, r.o); err != nil {
			return c, fmt.Errorf("worker %d (%s): %w", i, h.where, err)
		}
		c.hands = append(c.hands, h)
	}
	for _, h := range c.hands {
		offset, err := h.clock()
		if err != nil {
			return c, fmt.Errorf("worker %d (%s): %w", h.n, h.where, err)
		}
		if err := h.tell(control.Command{Setup: &control.Setup{
			Worker: h.n, Workers: n, From: h.from, To: h.to, Shape: r.p.Shape, Scenario: r.sc.Text(), Targets: r.stage.targets(),
			Secret: r.stage.secret(), Offset: offset, Began: r.began.UnixMicro(), Every: r.sc.Points.Microseconds(),
		}}); err != nil {
			return c, err
		}
	}
	c.left = n
	for _, h := range c.hands {
		c.wait.Add(1)
		go func() {
			defer c.wait.Done()
			c.listen(readers, h)
		}()
	}
	if err := r.pump(ctx, 2*time.Minute, func() bool { return c.left == 0 }); err != nil {
		return c, fmt.Errorf("start the workers: %w", err)
	}
	return c, nil
}

// listen hands on what a worker says, until its stream ends.
func (c *crew) listen(ctx context.Context, h *hand) {
	for {
		s := said{worker: h.n}
		s.err = h.stream.Read(&s.answer)
		if errors.Is(s.err, io.EOF) {
			s.err = errors.New("its stream has ended")
		}
		select {
		case c.said <- s:
		case <-ctx.Done():
			return
		}
		if s.err != nil {
			return
		}
	}
}

// close lets all workers go.
func (c *crew) close() {
	c.stop()
	for _, h := range c.hands {
		h.end()
	}
	c.wait.Wait()
}

// start starts or reaches the worker.
func (h *hand) start(ctx context.Context, o Options) error {
	kind, at, _ := strings.Cut(h.where, ":")
	switch kind {
	case "tcp":
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", at)
		if err != nil {
			return err
		}
		h.stream, h.end = control.NewStream(c, c), func() { _ = c.Close() }
		return nil
	case "ssh":
		return h.exec(o, "ssh", "-o", "BatchMode=yes", at, "murre-load", "worker")
	}
	return h.exec(o, o.Worker, "worker")
}

// exec starts a process that is the worker, or leads to it. It ends when its input does, or is killed.
func (h *hand) exec(o Options, argv ...string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = o.Log
	// Not the terminal's: an interrupt is for the controller, who ends its workers in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	h.stream = control.NewStream(out, in)
	h.end = func() {
		_ = in.Close()
		kill := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // how it ends no longer matters
		kill.Stop()
	}
	return nil
}

// clock measures how far the worker's clock is behind ours, µs: the quickest of a few answers is the least wrong.
func (h *hand) clock() (offset int64, err error) {
	best := int64(math.MaxInt64)
	for range 5 {
		sent := time.Now()
		if err := h.tell(control.Command{Hello: &control.Hello{Version: control.Version}}); err != nil {
			return 0, err
		}
		var a control.Answer
		if err := h.stream.Read(&a); err != nil {
			return 0, fmt.Errorf("it doesn't answer: %w", err)
		}
		took := time.Since(sent).Microseconds()
		if a.Hello == nil || a.Hello.Version != control.Version {
			return 0, fmt.Errorf("it isn't a worker of this version (%d)", control.Version)
		}
		if took < best {
			best, offset = took, sent.UnixMicro()+took/2-a.Hello.Now
		}
	}
	if h.where == "local" {
		return 0, nil // one clock
	}
	return offset, nil
}
