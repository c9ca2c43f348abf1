package app

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/murre-chat/murre/pkg/operate"
)

// Times of a stop.
const (
	// perSecond is how many clients are asked to reconnect in a second: what a neighbour takes without trouble.
	perSecond = 2000
	// flushTime is kept of the drain's time for flushing and closing.
	flushTime = 3 * time.Second
	// settleTime is how long a start waits for the bus.
	settleTime = 2 * time.Second
)

// Run serves until ctx ends, then drains: /readyz turns 503, accepting stops, clients are told to reconnect in waves, and
// the parts end from the top down, the store last. It takes at most the drain timeout. An App runs once.
func (a *App) Run(ctx context.Context) error {
	ps := newParts(a.log)
	// In the order of what stands on what.
	e := a.engines
	for _, p := range append(e.before, []part{
		{"session registry", e.sessions.Run},
		{"bus", e.bus.Run},
		{"router", a.router.Run},
		{"admission", e.admission.Run},
		{"sign-ins", a.auth.Run},
		{"media sweeper", a.sweeper.Run},
		{"service", a.service.Run},
		{"presence", e.presence.Run},
		{"inbox", a.inbox.Run},
		{"gateway", a.gateway.Run},
		{"sockets", a.server.Run},
		{"memory", a.tendMemory},
		{"fitness", a.tendFitness},
	}...) {
		ps.start(p)
	}
	if a.admin != nil {
		ps.start(part{"admin port", a.admin.Run})
	}
	if e.settled != nil {
		// Before clients come: a push to who has just connected should find the way. Without Redis it goes on all the same.
		settling, cancel := context.WithTimeout(ctx, settleTime)
		if err := e.settled(settling); err != nil && ctx.Err() == nil {
			a.log.Warn("the bus isn't there yet, other gateways' messages come from the log until it is", "error", err)
		}
		cancel()
	}
	a.serving.Store(true)
	a.log.Info("serving", "url", a.URL(), "admin", a.place().Admin, "data", a.cfg.Data, "version", a.info.Version)

	var failed error
	select {
	case <-ctx.Done():
	case failed = <-ps.failed:
		a.log.Error("a part failed, stopping", "err", failed)
	}
	began := time.Now()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.DrainTimeout)
	defer cancel()
	a.drain(stopping)
	err := errors.Join(failed, ps.stop(stopping), operate.RemovePlace(a.cfg.Data))
	if cerr := e.close(); cerr != nil {
		err = errors.Join(err, fmt.Errorf("close the store: %w", cerr))
	}
	a.log.Info("stopped", "took", time.Since(began).Round(time.Millisecond))
	return err
}

// Times of a gateway that others had better stand in for.
const (
	fitnessEvery = time.Second
	// awaySpread is over how long its clients are asked to come back, to another.
	awaySpread = 5 * time.Second
)

// tendFitness sends the clients away while this process can't serve them and others can: a balancer's checks come late,
// and it doesn't end connections.
func (a *App) tendFitness(ctx context.Context) error {
	t := time.NewTicker(fitnessEvery)
	defer t.Stop()
	was := false
	for {
		if unfit := a.engines.unfit; unfit != nil {
			err := unfit()
			if is := err != nil; is != was {
				was = is
				if is {
					a.log.Warn("clients are asked to go to other gateways", "reason", err)
				} else {
					a.log.Info("clients are taken again")
				}
				a.gateway.Suspend(is, awaySpread)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// drain sends the clients away.
func (a *App) drain(ctx context.Context) {
	a.draining.Store(true)
	here := a.gateway.Stats.Connected.Load()
	spread := max(min(time.Duration(here)*time.Second/perSecond, a.cfg.DrainTimeout-2*flushTime), 100*time.Millisecond)
	a.log.Info("draining", "connections", here, "spread", spread)
	ctx, cancel := context.WithTimeout(ctx, max(a.cfg.DrainTimeout-flushTime, spread))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- a.server.Drain(ctx) }()
	a.gateway.Drain(ctx, spread)
	if err := <-done; err != nil {
		a.log.Warn("not every connection ended in time", "err", err)
	}
}

// place says where this server is.
func (a *App) place() operate.Place {
	p := operate.Place{PID: syscall.Getpid(), Listen: a.URL(), Version: a.info.Version, Started: time.UnixMilli(a.self.Epoch).UTC()}
	if a.admin != nil {
		p.Admin, p.Key = a.admin.addr(), a.admin.key
	}
	return p
}

func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
