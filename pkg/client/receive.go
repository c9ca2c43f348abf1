package client

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/murre-chat/murre/pkg/protocol"
)

// session is the receiving side of one connection.
type session struct {
	c        *Client
	conn     *conn
	acks     *acker
	queue    chan *Event
	fatal    context.CancelFunc // ends the connection
	welcomed bool
	err      error // why the dispatcher ended it; read after it has stopped
}

// receive reads frames until the connection ends.
func (s *session) receive(ctx context.Context) error {
	var (
		buf   []byte
		frame protocol.ServerFrame
		err   error
	)
	for {
		if cap(buf) > 256<<10 {
			buf = nil // a large batch must not be held for ever
		}
		if buf, err = s.conn.read(buf); err != nil {
			return err
		}
		if s.c.o.OnFrame != nil {
			s.c.o.OnFrame(In, buf)
		}
		if err := protocol.DecodeServer(buf, &frame); err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		if err := s.frame(ctx, &frame); err != nil {
			return err
		}
	}
}

func (s *session) frame(ctx context.Context, f *protocol.ServerFrame) error {
	c := s.c
	switch f.Type {
	case protocol.TypeWelcome:
		s.welcomed = true
		w := f.Welcome
		if err := c.welcome(s, &w); err != nil {
			return err
		}
		return s.put(ctx, &Event{Type: f.Type, Welcome: &w})
	case protocol.TypeMessage:
		m := f.Message
		if m.Sender == c.User() {
			c.out.stored(&m)
		}
		e := &Event{Type: f.Type, ID: m.Event, Message: &m}
		if e.ID == 0 { // the answer to a send: whoever sent it has it, and nobody may have to wait for a handler that sends
			s.offer(e)
			return nil
		}
		return s.put(ctx, e)
	case protocol.TypePendingMessages:
		return s.batch(ctx, &f.Pending)
	case protocol.TypeMessageStatus:
		st := f.Status
		st.Messages = slices.Clone(st.Messages)
		s.offer(&Event{Type: f.Type, Status: &st})
	case protocol.TypeTyping:
		t := f.Typing
		s.offer(&Event{Type: f.Type, Typing: &t})
	case protocol.TypePresence:
		p := f.Presence
		s.offer(&Event{Type: f.Type, Presence: &p})
	case protocol.TypeMessageEdited:
		e := f.Edited
		return s.event(ctx, &Event{Type: f.Type, ID: e.Event, Edited: &e})
	case protocol.TypeMessageDeleted:
		d := f.Deleted
		return s.event(ctx, &Event{Type: f.Type, ID: d.Event, Deleted: &d})
	case protocol.TypeReaction:
		r := f.Reaction
		return s.event(ctx, &Event{Type: f.Type, ID: r.Event, Reaction: &r})
	case protocol.TypeConversation:
		v := f.Conversation
		return s.event(ctx, &Event{Type: f.Type, ID: v.Event, Conversation: &v})
	case protocol.TypeSynced:
		v := f.Synced
		return s.put(ctx, &Event{Type: f.Type, Synced: &v})
	case protocol.TypeGap:
		v := f.Gap
		return s.put(ctx, &Event{Type: f.Type, Gap: &v})
	case protocol.TypeReconnect:
		return &drainError{after: time.Duration(max(f.Reconnect.AfterMs, 0)) * time.Millisecond}
	case protocol.TypeError:
		e := fromPayload(&f.Error)
		if !c.out.refused(e, f.Error.ClientMessage, f.Error.MessageID, c.o.Now()) {
			return s.put(ctx, &Event{Type: f.Type, Error: e})
		}
	}
	return nil
}

// event answers the request that a durable event confirms, and queues it.
func (s *session) event(ctx context.Context, e *Event) error {
	s.confirm(e)
	return s.put(ctx, e)
}

func (s *session) confirm(e *Event) {
	switch {
	case e.Edited != nil:
		s.c.out.answered(func(f *protocol.ClientFrame) bool {
			return f.Type == protocol.TypeEdit && f.Edit.Message == e.Edited.Message && f.Edit.Content == e.Edited.Content
		})
	case e.Deleted != nil:
		s.c.out.answered(func(f *protocol.ClientFrame) bool {
			return f.Type == protocol.TypeDelete && f.Delete.Message == e.Deleted.Message
		})
	case e.Reaction != nil:
		me := s.c.User()
		s.c.out.answered(func(f *protocol.ClientFrame) bool {
			return f.Type == protocol.TypeReact && f.React.Message == e.Reaction.Message && e.Reaction.User == me && f.React.Emoji == e.Reaction.Emoji
		})
	}
}

// batch queues what was missed in the order of the log, and behind it the mark that acknowledges it.
func (s *session) batch(ctx context.Context, p *protocol.PendingPayload) error {
	events := make([]*Event, 0, len(p.Messages)+len(p.Events))
	me := s.c.User()
	for i := range p.Messages {
		m := &p.Messages[i]
		if m.Sender == me {
			s.c.out.stored(m)
		}
		events = append(events, &Event{Type: protocol.TypeMessage, ID: m.Event, Message: m})
	}
	for i := range p.Events {
		f := &p.Events[i].Frame
		if f.Type == 0 {
			continue // of a newer server
		}
		e := &Event{Type: f.Type, ID: p.Events[i].Event, Edited: f.Edited, Deleted: f.Deleted, Reaction: f.Reaction, Conversation: f.Conversation}
		s.confirm(e)
		events = append(events, e)
	}
	slices.SortStableFunc(events, func(a, b *Event) int {
		switch {
		case a.ID < b.ID:
			return -1
		case a.ID > b.ID:
			return 1
		}
		return 0
	})
	for _, e := range events {
		e.Pending = true
		if err := s.put(ctx, e); err != nil {
			return err
		}
	}
	return s.put(ctx, &Event{Type: protocol.TypePendingMessages, ID: p.Event})
}

// put queues an event and waits for room: the server sends no more than 512 unacknowledged, so room comes.
func (s *session) put(ctx context.Context, e *Event) error {
	select {
	case s.queue <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// offer queues an event that may be lost when the handler is behind.
func (s *session) offer(e *Event) {
	select {
	case s.queue <- e:
	default:
	}
}

// dispatch gives the events to the handler, one at a time, and acknowledges them.
func (s *session) dispatch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-s.queue:
			if err := s.handle(ctx, e); err != nil {
				if ctx.Err() == nil {
					s.err = fmt.Errorf("handler: %w", err)
				}
				s.fatal()
				return
			}
		}
	}
}

func (s *session) handle(ctx context.Context, e *Event) error {
	c := s.c
	switch {
	case e.Type == protocol.TypePendingMessages: // the mark behind a batch
		if !c.o.ManualAck && e.ID != 0 {
			s.acks.batch(e.ID)
		}
		return nil
	case e.Message != nil:
		seen, replaces := c.seen.message(e.Message)
		if !seen {
			e.Replaces = replaces
			if err := c.o.Handler.Handle(ctx, e); err != nil {
				return err
			}
			c.seen.addMessage(e.Message)
		}
		if !e.Pending && !c.o.ManualAck && e.ID != 0 {
			s.acks.message(e.Message.ID)
		}
		return nil
	case e.ID != 0:
		if !c.seen.event(e.ID) {
			if err := c.o.Handler.Handle(ctx, e); err != nil {
				return err
			}
			c.seen.addEvent(e.ID)
		}
		if !e.Pending && !c.o.ManualAck {
			s.acks.event(e.ID)
		}
		return nil
	}
	if e.Gap != nil {
		c.seen.reset()
	}
	err := c.o.Handler.Handle(ctx, e)
	if err == nil && e.Synced != nil {
		c.caughtUp(s.conn, e.Synced.UpTo)
	}
	return err
}
