package client

import (
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// acker gathers the acknowledgements of live events of one connection for at most AckDelay; those of batches go at once.
// A lost ack is harmless: the event comes again and is acknowledged as a duplicate.
type acker struct {
	c    *Client
	conn *conn

	mu    sync.Mutex
	frame protocol.ClientFrame
	timer *time.Timer
	armed bool
	ended bool
}

func newAcker(c *Client, cn *conn) *acker {
	return &acker{c: c, conn: cn, frame: protocol.ClientFrame{Type: protocol.TypeAck}}
}

func (a *acker) message(m chat.MessageID) {
	a.mu.Lock()
	a.frame.Ack.Messages = append(a.frame.Ack.Messages, m)
	a.gathered(len(a.frame.Ack.Messages))
}

func (a *acker) event(e chat.EventID) {
	a.mu.Lock()
	a.frame.Ack.Events = append(a.frame.Ack.Events, e)
	a.gathered(len(a.frame.Ack.Events))
}

// gathered sends what is there when it is enough, else sees that it goes in time. It releases mu.
func (a *acker) gathered(n int) {
	if a.c.o.AckDelay == 0 || n >= chat.MaxAckIDs {
		frame := a.take()
		a.mu.Unlock()
		a.send(frame)
		return
	}
	if !a.armed && !a.ended {
		a.armed = true
		if a.timer == nil {
			a.timer = time.AfterFunc(a.c.o.AckDelay, a.flush)
		} else {
			a.timer.Reset(a.c.o.AckDelay)
		}
	}
	a.mu.Unlock()
}

// take encodes what was gathered, nil if nothing; mu is held.
func (a *acker) take() []byte {
	a.armed = false
	if len(a.frame.Ack.Messages)+len(a.frame.Ack.Events) == 0 {
		return nil
	}
	frame := protocol.AppendClientFrame(nil, &a.frame)
	a.frame.Ack.Messages, a.frame.Ack.Events = a.frame.Ack.Messages[:0], a.frame.Ack.Events[:0]
	return frame
}

func (a *acker) flush() {
	a.mu.Lock()
	frame := a.take()
	a.mu.Unlock()
	a.send(frame)
}

// send writes an ack; a failed write needs no word, the reader sees the connection end.
func (a *acker) send(frame []byte) {
	if frame != nil {
		_ = a.c.transmit(a.conn, frame)
	}
}

// batch acknowledges a pending batch at once, behind what was gathered.
func (a *acker) batch(upTo chat.EventID) {
	a.flush()
	f := protocol.ClientFrame{Type: protocol.TypeAck, Ack: protocol.AckFrame{UpTo: upTo}}
	a.send(protocol.AppendClientFrame(nil, &f))
}

// stop sends what was gathered and ends the timer.
func (a *acker) stop() {
	a.mu.Lock()
	a.ended = true
	if a.timer != nil {
		a.timer.Stop()
	}
	frame := a.take()
	a.mu.Unlock()
	a.send(frame)
}
