package loadtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// filler makes texts about 120 bytes long.
var filler = strings.Repeat("the murre is a seabird of the auk family ", 3)

const textBytes = 120

// text is a message's content: a number that the receiver reads back, then filler.
func text(n int64) string {
	var b [textBytes]byte
	out := append(strconv.AppendInt(b[:0], n, 16), ' ')
	return string(append(out, filler[:textBytes-len(out)]...))
}

// numberIn reads the number back.
func numberIn(content string) (int64, error) {
	s, _, _ := strings.Cut(content, " ")
	return strconv.ParseInt(s, 16, 64)
}

// clientID makes a v7 clientMessageId that is unique by (who, seq).
func clientID(now int64, who, seq uint32) chat.ClientMessageID {
	var u chat.ClientMessageID
	binary.BigEndian.PutUint64(u[:], uint64(now/1e6)<<16)
	u[6], u[8] = 0x70, 0x80
	u[9], u[10], u[11] = byte(who>>16), byte(who>>8), byte(who)
	binary.BigEndian.PutUint32(u[12:], seq)
	return u
}

// pair is two people of whom the first writes to the second.
type pair struct {
	a, b             *wire.Client
	conv             chat.ConversationID
	key              chat.ClientMessageID
	seq              uint32
	sentAt           int64
	acked, delivered bool
}

// duet is many pairs.
type duet struct {
	r       *rig
	h       *hooks
	pairs   []*pair
	running bool
	done    int64 // messages acked and delivered
	sent    int64
	acks    int64
	got     int64
	receipt int64 // messages said to be delivered
	hist    *hdrhistogram.Histogram
	frame   protocol.ClientFrame
}

// newDuet makes the users and conversations and connects everybody.
func newDuet(ctx context.Context, r *rig) (*duet, error) {
	n := r.scale.pairs
	ps := r.people("pair", 2*n)
	if err := meet(ctx, r.s, ps); err != nil {
		return nil, err
	}
	convs, err := directs(ctx, ps)
	if err != nil {
		return nil, err
	}
	d := &duet{r: r, h: &hooks{}, hist: hdrhistogram.New(1000, 120e9, 3)}
	d.frame.Type = protocol.TypeMessage
	var all []*wire.Client
	for i := range convs {
		p := &pair{conv: convs[i], a: ps[2*i].socket(r.l, r.s, 0, d.h, i), b: ps[2*i+1].socket(r.l, r.s, 0, d.h, i)}
		d.pairs = append(d.pairs, p)
		all = append(all, p.a, p.b)
	}
	d.h.status = func(_ *wire.Client, s *protocol.StatusPayload) {
		if s.Status == "delivered" {
			d.receipt += int64(max(1, len(s.Messages)))
		}
	}
	_, err = r.connect(ctx, d.h, all, connectWindow, 0)
	if err != nil {
		return nil, err
	}
	d.h.closed = func(_ *wire.Client, err error) { d.h.errors++; d.h.lastErr.Message = err.Error() }
	return d, nil
}

func (d *duet) send(p *pair, number int64) {
	now := d.r.l.Now()
	p.seq++
	p.key = clientID(now, uint32(p.a.Data), p.seq)
	p.sentAt = now
	p.acked, p.delivered = false, false
	d.frame.Message = protocol.SendFrame{Conversation: p.conv, ClientMessage: p.key, ContentType: chat.Text, Content: text(number)}
	d.sent++
	p.a.Send(&d.frame)
}

// quiesce waits until what was sent was acked, delivered, and reported as delivered to its sender.
func (d *duet) quiesce(ctx context.Context) error {
	return d.r.settled(ctx, d.h, func() (string, bool) {
		return fmt.Sprintf("sent %d, acked %d, delivered %d, receipts %d", d.sent, d.acks, d.got, d.receipt),
			d.acks >= d.sent && d.got >= d.sent && d.receipt >= d.sent
	})
}

// start sets the closed loop going: the next message of a pair goes when the last was acked and delivered.
func (d *duet) start(ctx context.Context) error {
	step := func(p *pair) {
		if p.acked && p.delivered {
			d.done++
			if d.running {
				d.send(p, int64(p.seq))
			}
		}
	}
	return d.r.on(ctx, func() {
		d.running = true
		d.h.sent = func(c *wire.Client, m *protocol.Message) {
			p := d.pairs[c.Data]
			d.acks++
			if m.ClientMessageID == p.key {
				p.acked = true
				step(p)
			}
		}
		d.h.message = func(c *wire.Client, m *protocol.Message, _ bool) {
			p := d.pairs[c.Data]
			n, err := numberIn(m.Content)
			if err != nil || n != int64(p.seq)-1 {
				return // told again
			}
			d.got++
			p.delivered = true
			_ = d.hist.RecordValue(time.Now().UnixNano() - p.sentAt)
			step(p)
		}
		for _, p := range d.pairs {
			d.send(p, 0)
		}
	})
}

// runClosed: every pair has one message in flight; the next goes when the sender's ack and the receiver's delivery came.
func runClosed(ctx context.Context, r *rig) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	d, err := newDuet(ctx, r)
	if err != nil {
		return err
	}
	if err := d.start(ctx); err != nil {
		return err
	}
	if err := r.warmUp(ctx); err != nil {
		return err
	}
	if err := r.on(ctx, func() { d.hist.Reset() }); err != nil {
		return err
	}
	w, err := r.measure(ctx, r.scale.measure, &d.done)
	if err != nil {
		return err
	}
	var p50, p99 int64
	if err := r.on(ctx, func() {
		d.running = false
		p50, p99 = d.hist.ValueAtQuantile(50), d.hist.ValueAtQuantile(99)
	}); err != nil {
		return err
	}
	if err := d.quiesce(ctx); err != nil {
		return err
	}
	n := float64(w.moved[0])
	if n == 0 {
		return errors.New("no message made it")
	}
	note := fmt.Sprintf("%d pairs; p50 %.2f ms, p99 %.2f ms", len(d.pairs), float64(p50)/1e6, float64(p99)/1e6)
	r.res.add("closed", "1:1 messages, closed loop", n/w.wall.Seconds(), note)
	r.res.add("closed", "server CPU for 100,000 messages", w.cpu.Seconds()/n*1e5, "")
	r.res.other("closed", "client CPU for 100,000 messages", "s", w.client.Seconds()/n*1e5, "the harness, for comparison")
	return nil
}

// runOpen sends at a fixed rate, whatever comes back. A message's latency counts from when it was due, so that a pause of
// the server (or of the client) counts for all messages due meanwhile.
func runOpen(ctx context.Context, r *rig) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	d, err := newDuet(ctx, r)
	if err != nil {
		return err
	}
	interval := int64(time.Second) / int64(r.scale.rate)
	recording := false
	if err := r.on(ctx, func() {
		due, next := time.Now().UnixNano(), 0
		d.running = true
		d.h.sent = func(*wire.Client, *protocol.Message) { d.acks++ }
		d.h.message = func(_ *wire.Client, m *protocol.Message, _ bool) {
			at, err := numberIn(m.Content)
			if err != nil {
				return
			}
			d.got++
			if recording {
				_ = d.hist.RecordValue(time.Now().UnixNano() - at)
			}
		}
		r.l.Schedule(func(int64) time.Duration {
			if !d.running {
				return 0
			}
			now := time.Now().UnixNano()
			for ; due <= now; due += interval {
				d.send(d.pairs[next], due)
				next = (next + 1) % len(d.pairs)
			}
			return time.Duration(due - now)
		})
	}); err != nil {
		return err
	}
	if err := r.warmUp(ctx); err != nil {
		return err
	}
	if err := r.on(ctx, func() { recording = true }); err != nil {
		return err
	}
	w, err := r.measure(ctx, r.scale.measure, &d.got)
	if err != nil {
		return err
	}
	var p50, p99, p999, top int64
	if err := r.on(ctx, func() {
		d.running = false
		p50, p99, p999, top = d.hist.ValueAtQuantile(50), d.hist.ValueAtQuantile(99), d.hist.ValueAtQuantile(99.9), d.hist.Max()
	}); err != nil {
		return err
	}
	if err := d.quiesce(ctx); err != nil {
		return err
	}
	// Everything was delivered in the end, quiesce has seen to that. That it kept pace is asked where figures are judged:
	// within the one second of the shortest form a pause of 50 ms would already count as overload.
	reached := float64(w.moved[0]) / w.wall.Seconds()
	if r.scale.measure > time.Second && reached < 0.95*float64(r.scale.rate) {
		return fmt.Errorf("only %.0f of %d messages/s were delivered", reached, r.scale.rate)
	}
	r.res.add("open", "open loop: p50", float64(p50)/1e6, fmt.Sprintf("%d messages/s, from when each was due", r.scale.rate))
	r.res.add("open", "open loop: p99", float64(p99)/1e6, fmt.Sprintf("p99.9 %.2f, largest %.2f ms", float64(p999)/1e6, float64(top)/1e6))
	return nil
}
