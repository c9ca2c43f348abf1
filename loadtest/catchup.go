package loadtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// runCatchup: people come back to so many stored messages. Time counts from the connect call to the last message, all
// batches acked on the way. The first of them warms up and isn't counted.
func runCatchup(ctx context.Context, r *rig) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	n := r.scale.receivers
	ps := r.people("away", 2*n)
	if err := meet(ctx, r.s, ps); err != nil {
		return err
	}
	convs, err := directs(ctx, ps)
	if err != nil {
		return err
	}
	h := &hooks{}
	var senders, receivers []*wire.Client
	for i := range convs {
		senders = append(senders, ps[2*i].socket(r.l, r.s, 0, h, i))
		receivers = append(receivers, ps[2*i+1].socket(r.l, r.s, 0, h, i))
	}
	// Devices are known to the server before they are away, and have taken note of their conversation.
	if _, err := r.connect(ctx, h, append(slices.Clone(senders), receivers...), connectWindow, 0); err != nil {
		return err
	}
	if err := r.on(ctx, func() {
		for _, c := range receivers {
			c.Close()
		}
	}); err != nil {
		return err
	}
	var acked, sent int64
	if err := r.on(ctx, func() {
		h.sent = func(c *wire.Client, m *protocol.Message) {
			acked++
			if i, err := numberIn(m.Content); err == nil && int(i) < r.scale.pending {
				sent++
				sendText(c, convs[c.Data], uint32(c.Data), uint32(i)+1)
			}
		}
		for i, c := range senders {
			sent++
			sendText(c, convs[i], uint32(i), 1)
		}
	}); err != nil {
		return err
	}
	if err := r.settled(ctx, h, func() (string, bool) {
		return fmt.Sprintf("stored %d of %d", acked, n*r.scale.pending), acked == int64(n*r.scale.pending)
	}); err != nil {
		return err
	}
	if err := r.sleep(ctx, time.Second); err != nil {
		return err
	}
	note := fmt.Sprintf("%d messages in batches of ≤ %d, %d devices one after the other", r.scale.pending, chat.MaxBatch, n-1)
	for i, c := range receivers {
		took, err := r.fetch(ctx, h, c, r.scale.pending)
		if err != nil {
			return err
		}
		if i > 0 {
			r.res.add("catchup", "1,000 pending after connect", took.Seconds()*1000, note)
		}
	}
	return nil
}

func sendText(c *wire.Client, conv chat.ConversationID, who, seq uint32) {
	f := protocol.ClientFrame{Type: protocol.TypeMessage}
	f.Message = protocol.SendFrame{
		Conversation: conv, ClientMessage: clientID(time.Now().UnixNano(), who, seq), ContentType: chat.Text, Content: text(int64(seq)),
	}
	c.Send(&f)
}

// fetch connects a device and waits for so many distinct messages.
func (r *rig) fetch(ctx context.Context, h *hooks, c *wire.Client, want int) (time.Duration, error) {
	done := make(chan struct{})
	seen := make(map[chat.MessageID]struct{}, want)
	var end time.Time
	began := time.Now()
	if err := r.on(ctx, func() {
		h.message = func(from *wire.Client, m *protocol.Message, _ bool) {
			if from != c || len(seen) == want {
				return
			}
			if seen[m.ID] = struct{}{}; len(seen) == want {
				end = time.Now()
				close(done)
			}
		}
		h.closed = func(_ *wire.Client, err error) { h.errors++; h.lastErr.Message = err.Error() }
		began = time.Now()
		_ = c.Connect()
	}); err != nil {
		return 0, err
	}
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	select {
	case <-done:
	case <-r.s.done:
		return 0, r.s.Died()
	case <-late.C:
		err := fmt.Errorf("30 s after connecting the device has %d of %d messages", len(seen), want)
		_ = r.on(ctx, func() {
			if w := h.wrong(); w != nil {
				err = fmt.Errorf("%w; %w", err, w)
			}
		})
		return 0, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return end.Sub(began), r.on(ctx, func() { h.message = nil; c.Close() })
}
