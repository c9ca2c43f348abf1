package loadtest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/murre-chat/murre/pkg/check"
)

// siege is one run of a fault: a crowd on the cluster, what is done to it, and what is known of it so far.
type siege struct {
	*crowd
	fl  *fleet
	n   int // which run of the fault: victims take turns
	res *FaultRun

	calm       time.Time // from when on the load was steady
	blow, over time.Time // when the fault began, and when its cause was gone
	undo       []func(context.Context) error
	notes      []string
}

// Sizes of a siege's crowd.
const (
	siegePeople  = 300
	siegeDevices = 30
	siegeGroups  = 10 // of siegeMembers each, with whom they overlap by half
	siegeMembers = 20
	siegeLarge   = 50 // members of one more group
	siegeOutbox  = 8  // people notice that nothing gets through; what all have sent by then is sent again and again
)

// pace is how long things take.
type pace struct {
	calm   time.Duration // of load before the blow
	after  time.Duration // of load once the cause is gone, and live delivery back
	limit  time.Duration // for live delivery to come back
	settle time.Duration // for everything to be acked and delivered
	people int           // of the crowd
	scale  float64       // of a fault's own times
}

func (o FaultOptions) pace() pace {
	if o.Short {
		return pace{calm: 3 * time.Second, after: 2 * time.Second, limit: 45 * time.Second, settle: 2 * time.Minute, people: 80, scale: 0.25}
	}
	return pace{calm: 8 * time.Second, after: 8 * time.Second, limit: 90 * time.Second, settle: 3 * time.Minute, people: siegePeople, scale: 1}
}

// siegeShape: pairs, overlapping groups, one large group, some second devices.
func siegeShape(people, rate int, family string) shape {
	s := shape{people: people, online: people, devices: people / 10, rate: rate, groupShare: 20, outbox: siegeOutbox, family: family}
	size := min(siegeMembers, people/4)
	for g := range siegeGroups {
		var members []int
		for i := range size {
			members = append(members, (g*size/2+i)%people)
		}
		s.groups = append(s.groups, members)
	}
	var large []int
	for i := range min(siegeLarge, people/2) {
		large = append(large, (people/2+i)%people)
	}
	s.groups = append(s.groups, large)
	return s
}

// run does one run of a fault on the cluster, which is brought up, or put in order, before.
func (fl *fleet) run(ctx context.Context, f fault, res *FaultRun) (err error) {
	began := time.Now()
	defer func() { res.Seconds = time.Since(began).Seconds() }()
	if err := fl.up(ctx, fl.o.nodes(f)); err != nil {
		return fmt.Errorf("bring the cluster up: %w", err)
	}
	if err := fl.steady(ctx); err != nil {
		return err
	}
	began = time.Now() // the cluster's start is not the fault's
	p := fl.o.pace()
	r := &rig{dir: fl.dir, s: fl.srv, o: BenchOptions{Bin: fl.o.Bin}}
	if err := r.startLoop(ctx); err != nil {
		return err
	}
	c := newCrowd(r, siegeShape(p.people, fl.o.Rate, fl.tag()), res.Seed, check.Options{Exact: true, AllListed: true, ClockSlack: 5 * time.Millisecond})
	s := &siege{crowd: c, fl: fl, n: res.Run, res: res}
	err = s.besiege(ctx, f, p)
	// Whatever was done is undone, also when the run failed or was interrupted.
	undoCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	for i := len(s.undo) - 1; i >= 0; i-- {
		err = errors.Join(err, s.undo[i](undoCtx))
	}
	res.Users, res.Errors = p.people, c.codes
	err = errors.Join(err, r.close())
	if res.Sent == 0 { // it didn't come to a judgement: what is known all the same
		rep := c.check.Finish()
		res.Sent, res.Acked, res.Delivered, res.Repeated = rep.Sent, rep.Acked, rep.Received, rep.Repeated
		s.timing()
	}
	if !res.OK || err != nil {
		path := filepath.Join(fl.o.Work, fmt.Sprintf("%s-%d-%s.history.jsonl", f.name, res.Run, res.At.Format("150405")))
		err = errors.Join(err, c.record(path))
		s.notes = append(s.notes, "recorded in "+path)
	}
	for _, n := range s.notes {
		if res.Note != "" {
			res.Note += "; "
		}
		res.Note += n
	}
	return err
}

// besiege is calm, blow, recovery, quiescence, judgement.
func (s *siege) besiege(ctx context.Context, f fault, p pace) error {
	if err := s.populate(ctx); err != nil {
		return err
	}
	if err := s.warm(ctx, p); err != nil {
		return err
	}
	s.calm = time.Now()
	if err := s.wait(ctx, p.calm); err != nil {
		return err
	}
	if err := f.do(ctx, s, p); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	if s.blow.IsZero() || s.over.IsZero() {
		return fmt.Errorf("%s did nothing", f.name)
	}
	if err := s.untilLive(ctx, p); err != nil {
		return err
	}
	if err := s.wait(ctx, p.after); err != nil {
		return err
	}
	if err := s.stopWriting(ctx); err != nil {
		return err
	}
	return s.judge(ctx, f, p)
}

// warm begins the load and waits until it is steady. A cluster that has just been started gets it in steps: three Cassandra
// nodes on one machine that have compiled nothing yet fall behind under all of it at once, and what is then sent again keeps
// them there, which would be a fault of its own.
func (s *siege) warm(ctx context.Context, p pace) error {
	full, parts := s.shape.rate, []int{1}
	if !s.fl.o.Short && s.fl.warmed != s.fl.c {
		parts = []int{4, 2, 1}
	}
	for i, part := range parts {
		if err := s.r.on(ctx, func() { s.shape.rate = max(1, full/part) }); err != nil {
			return err
		}
		if i == 0 {
			if err := s.write(ctx); err != nil {
				return err
			}
		}
		if s.fl.o.Short {
			return nil
		}
		began := time.Now()
		if err := s.until(ctx, p.limit, "steady load", func() bool { return s.live(began) }); err != nil {
			return err
		}
	}
	s.fl.warmed = s.fl.c
	return nil
}

// judge waits for quiescence and asks the checker.
func (s *siege) judge(ctx context.Context, f fault, p pace) error {
	// A push that was lost without a trace is found by a verify read: every 30 s, and once the horizon has passed it.
	if err := s.quiesce(ctx, p.settle, 75*time.Second); err != nil {
		return err
	}
	if err := s.r.on(ctx, func() {
		s.timing()
		s.res.Missed = s.owed
	}); err != nil {
		return err
	}
	// A message sent again may stand in the log twice, and only the first one was acked: the first return acks the other.
	offered, err := s.comeAgain(ctx, time.Minute)
	if err != nil {
		return err
	}
	if offered > 0 {
		s.notes = append(s.notes, fmt.Sprintf("%d pending events offered at the first return", offered))
	}
	if _, err := s.pendingIsEmpty(ctx, time.Minute); err != nil {
		return err
	}
	if err := s.histories(ctx); err != nil {
		return err
	}
	rep := s.check.Finish()
	s.res.judge(rep)
	s.res.Changes = s.changes
	s.res.OK = rep.OK() && s.res.Missed == 0 && s.offClock == 0
	if s.offClock > 0 {
		s.notes = append(s.notes, fmt.Sprintf("%d ids off the clock", s.offClock))
	}
	if f.judge != nil {
		if err := f.judge(s); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// timing files what receptions say about live delivery.
func (s *siege) timing() {
	blow := s.blow
	if blow.IsZero() {
		blow = time.Now()
	}
	over := s.over
	if over.IsZero() {
		over = blow
	}
	live := judgeLive(s.samples, s.calm, blow, over)
	s.res.LiveBackMs, s.res.OutMs, s.res.BadSeconds = live.back.Milliseconds(), live.out.Milliseconds(), live.bad
	s.res.WorstMs, s.res.P50Ms, s.res.P99Ms = live.worst.Milliseconds(), live.p50.Seconds()*1000, live.p99.Seconds()*1000
}

// struck marks the moment of the blow.
func (s *siege) struck() { s.blow = time.Now() }

// ceased marks the moment from which nothing is broken any more; a blow that doesn't last has ceased when it struck.
func (s *siege) ceased() { s.over = time.Now() }

// after has something undone at the end of the run, whatever comes.
func (s *siege) after(undo func(context.Context) error) { s.undo = append(s.undo, undo) }

// restarted tells the checker that a gateway was started again.
func (s *siege) restarted(ctx context.Context) error {
	return s.r.on(ctx, func() { s.add(check.Event{Kind: check.Restart}) })
}

// wait lets the load go on for a time.
func (s *siege) wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	return s.waitFor(ctx, t.C)
}

func (s *siege) waitFor(ctx context.Context, c <-chan time.Time) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// untilLive waits until the last seconds were live: everybody is connected, and what was due 5 to 2 s ago has come in time.
func (s *siege) untilLive(ctx context.Context, p pace) error {
	return s.until(ctx, p.limit, "live delivery back", func() bool { return s.live(s.over.Add(-3 * time.Second)) })
}

// live reports whether everybody is connected and what was due 5 to 2 s ago, all of it since a time, has come in time.
func (s *siege) live(since time.Time) bool {
	now := time.Now().UnixNano()
	from, to := now-int64(5*time.Second), now-int64(2*time.Second)
	if s.missing() > 0 || from < since.UnixNano() {
		return false
	}
	n, slow := 0, 0
	for i := len(s.samples) - 1; i >= 0 && s.samples[i].due > from-int64(10*time.Second); i-- {
		if d := s.samples[i]; d.due >= from && d.due < to {
			if n++; d.took >= liveWithin {
				slow++
			}
		}
	}
	// Three seconds of direct messages alone come once each.
	return n >= s.shape.rate*3*8/10 && slow*100 < n
}
