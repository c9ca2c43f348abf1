package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/gateway/wsconn"
	"github.com/murre-chat/murre/pkg/protocol"
	"github.com/murre-chat/murre/pkg/service"
)

var works = newWorks()

// enqueue hands a frame (nil: the opening) to the connection's worker, which is called if there is none. When too
// much waits, the socket isn't read any more until less does.
func (c *conn) enqueue(f *protocol.ClientFrame) {
	c.mu.Lock()
	w := c.work
	start := w == nil
	if start {
		w = works.get()
		c.work = w
	}
	w.queue = append(w.queue, f)
	w.at = append(w.at, time.Now())
	if len(w.queue)-w.head >= maxQueued && !w.paused {
		w.paused = true
		if ws := c.ws.Load(); ws != nil {
			ws.PauseReading()
		}
	}
	c.mu.Unlock()
	if start {
		c.g.crew.do(task{c: c})
	}
}

// run handles what waits until nothing does.
func (c *conn) run() {
	for {
		c.mu.Lock()
		w := c.work
		if w.head == len(w.queue) {
			c.work = nil
			c.mu.Unlock()
			works.put(w)
			return
		}
		f, at := w.queue[w.head], w.at[w.head]
		w.queue[w.head] = nil
		w.head++
		if w.paused && len(w.queue)-w.head <= maxQueued/4 {
			w.paused = false
			if ws := c.ws.Load(); ws != nil {
				ws.ResumeReading()
			}
		}
		switch {
		case w.head == len(w.queue):
			w.queue, w.at, w.head = w.queue[:0], w.at[:0], 0
		case w.head >= maxQueued: // under a flood it is never empty, and must not grow for ever
			n := copy(w.queue, w.queue[w.head:])
			clear(w.queue[n:])
			w.queue, w.at, w.head = w.queue[:n], w.at[:copy(w.at, w.at[w.head:])], 0
		}
		c.mu.Unlock()
		// What was read before the connection went is still handled: its sender may count on it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.g.base()), commandTimeout)
		if f == nil {
			c.open(ctx)
		} else {
			c.handle(ctx, f, at)
			frames.Put(f)
		}
		cancel()
	}
}

// handle does what one frame asks.
func (c *conn) handle(ctx context.Context, f *protocol.ClientFrame, at time.Time) {
	var err error
	s := c.g.o.Service
	switch f.Type {
	case protocol.TypeMessage:
		err = c.handleSend(ctx, f, at)
	case protocol.TypeTyping:
		err = s.Typing(ctx, c.caller(), f.Typing.Conversation, f.Typing.On)
	case protocol.TypeRead:
		err = s.Read(ctx, c.caller(), f.Read.Conversation, f.Read.UpTo)
	// Edits, deletions and reactions reach the asking connection as everybody else's: as a push of a durable event.
	case protocol.TypeEdit:
		_, _, err = s.Edit(ctx, c.caller(), f.Edit.Conversation, f.Edit.Message, f.Edit.Content)
	case protocol.TypeDelete:
		_, _, err = s.Delete(ctx, c.caller(), f.Delete.Conversation, f.Delete.Message)
	case protocol.TypeReact:
		_, _, err = s.React(ctx, c.caller(), f.React.Conversation, f.React.Message, f.React.Emoji)
	case protocol.TypePresence:
		var states []chat.Presence
		if states, err = s.Interest(ctx, c.caller(), f.Presence.Users); err == nil {
			for i := range states {
				c.send(wsconn.TextFrame(protocol.AppendPresence(nil, &states[i])))
			}
		}
	}
	if err != nil {
		client, msg := f.About()
		c.fail(inPayload(err), client, msg)
	}
}

// inPayload names the field of a use case's error as the decoder names its own, so that a client knows a field by one name.
func inPayload(err error) error {
	var e *chat.Error
	if !errors.As(err, &e) || e.Field == "" {
		return err
	}
	named := *e // the error may be shared
	named.Field = "payload." + e.Field
	return &named
}

func (c *conn) handleSend(ctx context.Context, f *protocol.ClientFrame, at time.Time) error {
	m := &f.Message
	who := c.caller()
	who.Since = time.UnixMicro(max(c.seq, c.unsure.Load()))
	res, err := c.g.o.Service.Send(ctx, who, service.SendRequest{
		Conversation: m.Conversation, ClientMessage: m.ClientMessage, Content: m.Content, ContentType: m.ContentType,
		Media: m.Media, ReplyTo: m.ReplyTo, Resend: m.Resend,
	})
	if err != nil {
		if code := chat.CodeOf(err); code == chat.CodeUnavailable || code == chat.CodeInternal {
			c.unsure.Store(c.g.o.Now().UnixMicro()) // what it was to store may still be on its way
		}
		return err
	}
	offered := false
	p := chat.Push{Kind: chat.PushMessage, Message: &res.Message, Event: chat.Event{
		ID: res.Event, Kind: chat.EventMessage, Conversation: res.Message.Conversation, Message: res.Message.ID, Actor: c.user,
	}, Channel: res.Channel}
	if res.Event != 0 {
		// The sender has other devices, or reads the channel: this device's cursor must pass the event as well.
		offered = c.dev.Offer(&p)
	}
	if !c.send(messageFrame(&res.Message, res.Event, chat.Sent)) && offered {
		c.dev.Behind(&p)
	}
	if c.g.o.SendTime != nil {
		c.g.o.SendTime.Observe(time.Since(at))
	}
	return nil
}
