package loadtest

import (
	"context"
	"fmt"
	"time"

	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// groupSenders members of the group write at once, each one message at a time.
const groupSenders = 4

// writer is a member who writes: the next message goes when the last one was acked and everybody else has it.
type writer struct {
	c     *wire.Client
	seq   uint32
	acked bool
	got   int
}

// runGroup: a group in which everybody is connected; deliveries are counted where they arrive, and all are acked.
func runGroup(ctx context.Context, r *rig) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	n := r.scale.members
	ps := r.people("member", n)
	if err := meet(ctx, r.s, ps); err != nil {
		return err
	}
	conv, err := group(ctx, ps)
	if err != nil {
		return err
	}
	h := &hooks{}
	clients := make([]*wire.Client, n)
	for i, p := range ps {
		clients[i] = p.socket(r.l, r.s, 0, h, i)
	}
	if _, err := r.connect(ctx, h, clients, connectWindow, 0); err != nil {
		return err
	}
	var deliveries, messages, acked int64
	running := true
	writers := make([]*writer, groupSenders)
	frame := protocol.ClientFrame{Type: protocol.TypeMessage}
	send := func(i int) {
		w := writers[i]
		w.seq++
		w.acked, w.got = false, 0
		frame.Message = protocol.SendFrame{
			Conversation: conv, ClientMessage: clientID(r.l.Now(), uint32(i), w.seq), ContentType: chat.Text,
			Content: text(int64(i)<<32 | int64(w.seq)),
		}
		messages++
		w.c.Send(&frame)
	}
	step := func(i int) {
		if w := writers[i]; w.acked && w.got == n-1 && running {
			send(i)
		}
	}
	if err := r.on(ctx, func() {
		h.closed = func(_ *wire.Client, err error) { h.errors++; h.lastErr.Message = err.Error() }
		h.sent = func(c *wire.Client, _ *protocol.Message) {
			acked++
			writers[c.Data].acked = true
			step(c.Data)
		}
		h.message = func(_ *wire.Client, m *protocol.Message, _ bool) {
			x, err := numberIn(m.Content)
			i := int(x >> 32)
			if err != nil || i >= len(writers) || uint32(x) != writers[i].seq {
				return // told again
			}
			deliveries++
			writers[i].got++
			step(i)
		}
		for i := range writers {
			writers[i] = &writer{c: clients[i]}
		}
		for i := range writers {
			send(i)
		}
	}); err != nil {
		return err
	}
	if err := r.warmUp(ctx); err != nil {
		return err
	}
	w, err := r.measure(ctx, r.scale.measure, &deliveries, &messages)
	if err != nil {
		return err
	}
	if err := r.on(ctx, func() { running = false }); err != nil {
		return err
	}
	if err := r.settled(ctx, h, func() (string, bool) {
		want := messages * int64(n-1)
		return fmt.Sprintf("%d of %d deliveries, %d of %d acks", deliveries, want, acked, messages), deliveries == want && acked == messages
	}); err != nil {
		return err
	}
	d := float64(w.moved[0])
	if d == 0 {
		return fmt.Errorf("nothing was delivered in %s", w.wall)
	}
	r.res.add("group", "256-member group deliveries", d/w.wall.Seconds(),
		fmt.Sprintf("%d members, %.0f messages/s; harness CPU %.1f s for 1 M", n, float64(w.moved[1])/w.wall.Seconds(), w.client.Seconds()/d*1e6))
	r.res.add("group", "server CPU for 1 M deliveries", w.cpu.Seconds()/d*1e6, "")
	return nil
}

// settled waits until a condition, asked on the loop, holds; it fails on error frames and after 15 s (a cluster: 60 s).
func (r *rig) settled(ctx context.Context, h *hooks, done func() (string, bool)) error {
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	limit := 15 * time.Second
	if r.fleet != nil {
		limit = time.Minute
	}
	for end := time.Now().Add(limit); ; {
		var state string
		var ok bool
		var wrong error
		if err := r.on(ctx, func() { state, ok = done(); wrong = h.wrong() }); err != nil {
			return err
		}
		switch {
		case wrong != nil:
			return wrong
		case ok:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("%s after the load: %s", limit, state)
		}
		select {
		case <-poll.C:
		case <-r.s.done:
			return r.s.Died()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
