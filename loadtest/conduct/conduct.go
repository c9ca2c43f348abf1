package conduct

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/murre-chat/murre/loadtest/control"
	"github.com/murre-chat/murre/loadtest/ledger"
	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/loadtest/procfs"
	"github.com/murre-chat/murre/loadtest/result"
	"github.com/murre-chat/murre/loadtest/scenario"
)

// Display shows a run as it goes. Its methods are called from one goroutine.
type Display interface {
	Update(result.Point)
	Event(result.Event)
	Say(text string)
}

// Options of a run.
type Options struct {
	Scenario *scenario.Scenario
	Server   string // the murre binary, for engines embedded and cluster
	Worker   string // the murre-load binary that local workers are
	Work     string // folder for data and logs; its parts of earlier runs are deleted
	Subnet   string // of the cluster, as native.Options has it; "": a free one
	Command  string // the command line, for the result
	Keep     bool   // data and logs stay, also of a green run
	Display  Display
	Log      io.Writer // where local workers' standard error goes
}

// Total is how long the parts of a run that are planned take.
func Total(s *scenario.Scenario) time.Duration {
	ramp := time.Duration(float64(s.Users.Count) / s.Ramp.Rate * float64(time.Second))
	return ramp + s.Ramp.Settle + s.Messages.Rise + s.Duration
}

// run is one run.
type run struct {
	o      Options
	sc     *scenario.Scenario
	p      *population.Population
	stage  stage
	crew   *crew
	began  time.Time
	res    *result.Run
	g      gather
	watch  *watch
	mach   *meter
	judge  *ledger.Judge
	gauges *gauges

	// Moments in seconds of the run; 0: not reached.
	rampBegan, rampDone, steadyFrom, steadyTo, stormBegan, stormBack float64
	registered                                                       int
	repeated, base, full, state                                      int64
	lost                                                             map[string]bool // gateways that ended by themselves
}

// Run does a run and returns what came of it. The result is there whenever the run got so far as to have one, also with an
// error, which says why it ended early. What was measured isn't an error: see Run.OK of the result.
func Run(ctx context.Context, o Options) (*result.Run, error) {
	r := newRun(o)
	var err error
	if r.stage, err = newStage(r); err != nil {
		return r.res, err
	}
	return r.do(ctx)
}

func newRun(o Options) *run {
	r := &run{o: o, sc: o.Scenario, began: time.Now(), lost: map[string]bool{}}
	r.mach, r.gauges = newMeter(), newGauges()
	r.res = &result.Run{
		Format: result.Format, Name: r.sc.Name, About: r.sc.About, Scenario: r.sc.Text(), Seed: r.sc.Seed, Engine: r.sc.Server.Engine,
		Began: r.began.UTC(), Command: o.Command, Busy: procfs.Load(), Users: r.sc.Users.Count,
	}
	r.p = population.New(population.Shape{
		Seed: r.sc.Seed, Users: r.sc.Users.Count, Groups: r.sc.Groups.Count, Min: r.sc.Groups.Min, Max: r.sc.Groups.Max, Tail: r.sc.Groups.Tail,
		Made: r.began.UnixMilli(),
	})
	r.judge = ledger.NewJudge(r.p)
	r.g.init(r)
	return r
}

// do does the run on its stage.
func (r *run) do(ctx context.Context) (res *result.Run, err error) {
	running, stop := context.WithCancel(ctx)
	defer func() {
		stop()
		r.gauges.wait.Wait()
		// Ending takes its time, whatever ended the run.
		down, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
		defer cancel()
		if r.crew != nil {
			r.crew.close()
		}
		err = errors.Join(err, r.stage.close(down, !r.o.Keep && err == nil && r.res.OK))
		if err != nil {
			r.res.OK, r.res.Failure = false, err.Error()
		}
	}()
	err = r.all(running)
	r.finish()
	return r.res, err
}

// all is the run from beginning to end.
func (r *run) all(ctx context.Context) error {
	for _, part := range []func(context.Context) error{r.setUp, r.ramp, r.steady, r.quiet, r.account, r.again, r.end} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// now is seconds since the run began.
func (r *run) now() float64 { return time.Since(r.began).Seconds() }

// event notes a moment.
func (r *run) event(e result.Event) {
	if e.At == 0 {
		e.At = r.now()
	}
	r.res.Events = append(r.res.Events, e)
	r.o.Display.Event(e)
}

// setUp starts the server, loads the population and starts workers.
func (r *run) setUp(ctx context.Context) error {
	var err error
	began := time.Now()
	if r.res.Version, err = version(ctx, r.o.Server); err != nil {
		return err
	}
	loaded := 0
	tell := func(done, all int) {
		if tenth := 10 * done / all; tenth > loaded {
			loaded = tenth
			r.o.Display.Say(fmt.Sprintf("loaded %d %% of the population", 10*tenth))
		}
	}
	if err := r.stage.start(ctx, tell); err != nil {
		return err
	}
	r.res.Conversations, r.res.Groups, r.res.Gateways = r.p.Conversations(), r.p.Groups, len(r.stage.targets())
	for g := range r.p.Groups {
		r.res.LargestGroup = max(r.res.LargestGroup, r.p.Size(r.p.GroupConversation(g)))
	}
	r.event(result.Event{Kind: result.EventStockLoaded, N: r.p.Users, Seconds: time.Since(began).Seconds()})
	if r.crew, err = startCrew(ctx, r); err != nil {
		return err
	}
	r.watch = newWatch(r)
	return nil
}

// ramp connects everybody.
func (r *run) ramp(ctx context.Context) error {
	r.rampBegan = r.now()
	r.event(result.Event{Kind: result.EventRampBegins, N: r.sc.Users.Count})
	n := float64(len(r.crew.hands))
	err := r.crew.each(func(h *hand) control.Command {
		share := float64(h.to-h.from) / float64(r.sc.Users.Count)
		return control.Command{Ramp: &control.Ramp{Rate: r.sc.Ramp.Rate * share, Window: max(1, int(float64(r.sc.Ramp.Window)/n)), Gateways: r.sc.Ramp.Gateways}}
	})
	if err != nil {
		return err
	}
	synced := func() int { return r.crew.sum(func(t *control.Tick) int { return t.Synced }) }
	err = r.pump(ctx, r.sc.Ramp.Within, func() bool { return synced() >= r.sc.Users.Count })
	if errors.Is(err, errLate) && synced() >= r.sc.Users.Count-r.sc.Users.Count/1000 {
		r.o.Display.Say(fmt.Sprintf("%d of %d are synced after %s: going on without the others", synced(), r.sc.Users.Count, r.sc.Ramp.Within))
		err = nil
	}
	if err != nil {
		return fmt.Errorf("ramp: %d of %d are synced: %w", synced(), r.sc.Users.Count, err)
	}
	r.rampDone = r.now()
	r.event(result.Event{Kind: result.EventRampDone, N: r.sc.Users.Count, Seconds: r.rampDone - r.rampBegan})
	if err := r.pump(ctx, r.sc.Ramp.Settle, nil); err != nil {
		return err
	}
	if r.registered, err = r.stage.registered(ctx); err != nil {
		r.o.Display.Say(err.Error()) // a threshold may ask for it; the run needn't
	}
	r.remember("all connected")
	if r.sc.Duration >= time.Minute {
		err := r.stage.settled(ctx, func() error { return r.pump(ctx, time.Second, nil) })
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			r.o.Display.Say("chat begins before all is settled: " + err.Error())
			return nil
		}
		return err
	}
	return nil
}

// steady lets people chat, and what happens to them happen.
func (r *run) steady(ctx context.Context) error {
	err := r.crew.each(func(h *hand) control.Command {
		return control.Command{Chat: &control.Chat{Rate: r.sc.Messages.Rate * float64(h.to-h.from) / float64(r.sc.Users.Count)}}
	})
	if err != nil {
		return err
	}
	if err := r.pump(ctx, r.sc.Messages.Rise, nil); err != nil {
		return err
	}
	r.steadyFrom = r.now()
	end := time.Now().Add(r.sc.Duration)
	beside := newBeside(ctx, r)
	defer beside.stop()
	if r.sc.Storm.Count > 0 {
		if err := r.storm(ctx); err != nil {
			return err
		}
	}
	if err := r.pump(ctx, time.Until(end), nil); err != nil {
		return err
	}
	if err := beside.wait(ctx, r); err != nil {
		return err
	}
	r.steadyTo = r.now()
	r.event(result.Event{Kind: result.EventSteadyDone})
	r.remember("end")
	return nil
}

// storm cuts off and waits until 99% are back, or the time that is left for it is over.
func (r *run) storm(ctx context.Context) error {
	if err := r.pump(ctx, r.sc.Storm.At, nil); err != nil {
		return err
	}
	if err := r.crew.all(control.Command{Storm: &control.Storm{}}); err != nil {
		return err
	}
	r.event(result.Event{Kind: result.EventStorm, N: r.sc.Storm.Count})
	if err := r.pump(ctx, r.sc.Storm.Away, nil); err != nil {
		return err
	}
	r.stormBegan = r.now()
	if r.sc.Storm.Away > 0 {
		r.event(result.Event{Kind: result.EventStormOver, N: r.sc.Storm.Count})
	}
	want := (r.sc.Storm.Count*99 + 99) / 100
	left := r.sc.Duration - r.sc.Storm.At - r.sc.Storm.Away
	err := r.pump(ctx, left, func() bool { return r.crew.sum(func(t *control.Tick) int { return t.StormBack }) >= want })
	switch {
	case err == nil:
		r.stormBack = r.now()
		r.event(result.Event{Kind: result.EventStormBack, N: want, Seconds: r.stormBack - r.stormBegan})
	case !errors.Is(err, errLate):
		return err
	}
	return r.crew.all(control.Command{Calm: &control.Calm{}})
}

// quiet waits until everything is answered and received and nothing arrives any more. What hasn't come by then the ledger
// finds.
func (r *run) quiet(ctx context.Context) error {
	if err := r.crew.all(control.Command{Quiet: &control.Quiet{}}); err != nil {
		return err
	}
	var got, owed int64
	since := time.Now()
	still := max(2*r.sc.Points, 1500*time.Millisecond)
	err := r.pump(ctx, r.sc.Check.Quiet, func() bool {
		g, o := r.crew.sum64(func(t *control.Tick) int64 { return t.Got }), r.crew.sum64(func(t *control.Tick) int64 { return t.Owed })
		if g != got || o != owed {
			got, owed, since = g, o, time.Now()
		}
		open := r.crew.sum(func(t *control.Tick) int { return t.Open })
		synced := r.crew.sum(func(t *control.Tick) int { return t.Synced })
		return open == 0 && g >= o && synced >= r.sc.Users.Count && time.Since(since) > still
	})
	if errors.Is(err, errLate) {
		r.o.Display.Say(fmt.Sprintf("not quiet after %s: %d of %d receptions", r.sc.Check.Quiet, got, owed))
		return nil
	}
	if err == nil {
		r.event(result.Event{Kind: result.EventDrainDone})
	}
	return err
}

// again lets some connect again, twice: the second time nothing may be pending. It is done last, for it moves cursors.
func (r *run) again(ctx context.Context) error {
	for _, judge := range []bool{false, true} {
		r.crew.left = 0
		err := r.crew.each(func(h *hand) control.Command {
			r.crew.left++
			n := r.sc.Check.Again * (h.to - h.from) / r.sc.Users.Count
			return control.Command{Again: &control.Again{Count: max(n, min(r.sc.Check.Again, 1)), Judge: judge}}
		})
		if err != nil {
			return err
		}
		if err := r.pump(ctx, 2*time.Minute, func() bool { return r.crew.left == 0 }); err != nil {
			return fmt.Errorf("connect again: %w", err)
		}
	}
	return nil
}

// end takes leave of the workers.
func (r *run) end(ctx context.Context) error {
	r.crew.left = 0
	if err := r.crew.each(func(*hand) control.Command {
		r.crew.left++
		return control.Command{Finish: &control.Finish{}}
	}); err != nil {
		return err
	}
	if err := r.pump(ctx, time.Minute, func() bool { return r.crew.left == 0 }); err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	return nil
}

// remember takes the account of memory.
func (r *run) remember(moment string) {
	m := r.mach.account(r.stage.processes(), r.crew.pids())
	m.At, m.Moment = r.now(), moment
	m.Connections = r.crew.sum(func(t *control.Tick) int { return t.Connected })
	for i := range m.Parts {
		if m.Connections > 0 {
			m.Parts[i].PerConn = float64(m.Parts[i].Bytes) / float64(m.Connections)
		}
	}
	r.res.Memory = append(r.res.Memory, m)
}

// dir is a folder of the run's.
func (r *run) dir(name string) string { return filepath.Join(r.o.Work, name) }
