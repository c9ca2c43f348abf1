package loadtest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// fault is one way to break a cluster. do strikes, waits, and puts right again: it says when it struck and when the cause
// was gone, which for a blow that doesn't last is at once.
type fault struct {
	name  string
	what  string
	nodes int  // Cassandra nodes it needs at least; 0: one is enough
	slow  bool // not in the short form
	do    func(ctx context.Context, s *siege, p pace) error
	judge func(s *siege) error // what else must hold; nil: nothing
}

// lasting scales how long a fault lasts.
func (p pace) lasting(d time.Duration) time.Duration { return time.Duration(float64(d) * p.scale) }

// faults lists all of them.
func faults() []fault {
	return []fault{
		{name: "gateway-kill9", what: "kill -9 a gateway, which comes back", do: killGateway},
		{name: "drain", what: "SIGTERM a gateway: its clients are told to come back elsewhere", do: drainGateway, judge: drained},
		{name: "cassandra-kill9", what: "kill -9 one of three Cassandra nodes, which comes back", nodes: 3, slow: true, do: killCassandra},
		{name: "cassandra-sigstop", what: "freeze one of three Cassandra nodes for 20 s", nodes: 3, slow: true, do: freezeCassandra},
		{name: "cassandra-silent", what: "freeze the only Cassandra node for 20 s", slow: true, do: freezeCassandra},
		{name: "redis-master-kill", what: "kill -9 a Redis master; a replica takes over", do: killRedisMaster},
		{name: "redis-stop-all", what: "no Redis for 60 s", do: stopRedis},
		{name: "redis-flushall", what: "FLUSHALL on every Redis master", do: flushRedis},
		{name: "redis-migrate-slot", what: "the slot of a gateway's channel moves to another master", do: migrateSlot},
		{name: "pubsub-drop", what: "a pub/sub connection goes deaf: nftables drops its packets", do: dropPubSub},
		{name: "bus-drop", what: "the bus of every gateway loses 1 publish in 20", do: loseOneInTwenty, judge: within(60 * time.Second)},
		{name: "same-name", what: "a second gateway under the name of the first", do: sameName, judge: undisturbed},
		{name: "clock-ahead", what: "a gateway's clock is 5 min ahead", do: wrongClock(5 * time.Minute)},
		{name: "clock-behind", what: "a gateway's clock is 5 min behind", do: wrongClock(-5 * time.Minute)},
		{name: "s3-kill", what: "kill -9 the object store in the middle of an upload", do: killObjects},
	}
}

// gateway is the victim of this run.
func (s *siege) gateway() string { return s.fl.member("gateway-", s.n) }

func killGateway(ctx context.Context, s *siege, p pace) error {
	victim := s.gateway()
	s.note("%s", victim)
	s.struck()
	s.ceased()
	if err := s.fl.c.Kill(ctx, victim); err != nil {
		return err
	}
	s.after(func(ctx context.Context) error { return s.fl.c.Start(ctx, victim) })
	if err := s.restarted(ctx); err != nil {
		return err
	}
	if err := s.wait(ctx, p.lasting(10*time.Second)); err != nil {
		return err
	}
	began := time.Now()
	if err := s.fl.c.Start(ctx, victim); err != nil {
		return err
	}
	s.note("start to ready %.1f s", time.Since(began).Seconds())
	return nil
}

func drainGateway(ctx context.Context, s *siege, _ pace) error {
	victim := s.gateway()
	s.struck()
	s.after(func(ctx context.Context) error { return s.fl.c.Start(ctx, victim) })
	began := time.Now()
	if err := s.fl.c.End(ctx, victim); err != nil {
		return err
	}
	s.note("%s ended %.1f s after SIGTERM", victim, time.Since(began).Seconds())
	s.ceased()
	if err := s.restarted(ctx); err != nil {
		return err
	}
	return s.fl.c.Start(ctx, victim)
}

// drained: whoever was there was told to leave, and nobody was cut off.
func drained(s *siege) error {
	s.note("%d devices told to come back", s.drained)
	if s.drained == 0 {
		return errors.New("no device was told to come back elsewhere")
	}
	if n := s.codes["cut off"]; n > 0 {
		return fmt.Errorf("%d connections were cut off without a word", n)
	}
	return nil
}

func killCassandra(ctx context.Context, s *siege, p pace) error {
	victim := s.fl.member("cassandra-", s.n)
	s.note("%s", victim)
	s.struck()
	s.ceased()
	if err := s.fl.c.Kill(ctx, victim); err != nil {
		return err
	}
	s.after(func(ctx context.Context) error { return s.fl.c.Start(ctx, victim) })
	if err := s.wait(ctx, p.lasting(15*time.Second)); err != nil {
		return err
	}
	began := time.Now()
	if err := s.fl.c.Start(ctx, victim); err != nil {
		return err
	}
	s.note("back after %.0f s", time.Since(began).Seconds())
	return nil
}

func freezeCassandra(ctx context.Context, s *siege, p pace) error {
	victim := s.fl.member("cassandra-", s.n)
	s.note("%s of %d", victim, s.fl.nodes)
	s.struck()
	if err := s.fl.c.Stop(victim); err != nil {
		return err
	}
	thawed := false
	s.after(func(context.Context) error {
		if thawed {
			return nil
		}
		return s.fl.c.Cont(victim)
	})
	if err := s.wait(ctx, p.lasting(20*time.Second)); err != nil {
		return err
	}
	if err := s.fl.c.Cont(victim); err != nil {
		return err
	}
	thawed = true
	s.ceased()
	return nil
}

// undisturbed: live delivery never stopped.
func undisturbed(s *siege) error {
	if s.res.BadSeconds > 0 {
		return fmt.Errorf("live delivery was disturbed for %d s", s.res.BadSeconds)
	}
	return nil
}

// within: no reception took longer.
func within(limit time.Duration) func(s *siege) error {
	return func(s *siege) error {
		if worst := time.Duration(s.res.WorstMs) * time.Millisecond; worst > limit {
			return fmt.Errorf("a reception took %s, the limit is %s", worst, limit)
		}
		return nil
	}
}

// note says something about the run in its line.
func (s *siege) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}
