package client

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// Outgoing is a message to send. Conversation is required, and Content unless there is Media.
type Outgoing struct {
	Conversation chat.ConversationID
	Content      string
	ContentType  chat.ContentType // default chat.Text
	Media        chat.MediaID
	ReplyTo      chat.MessageID
	// ClientMessageID is the idempotency key; a v7 UUID is made when it is zero. Give one, and Resend, to send again what
	// an earlier run of the program may have sent.
	ClientMessageID chat.ClientMessageID
	Resend          bool
}

// Delivery is a message on its way.
type Delivery struct {
	c *Client
	r *request
}

// ClientMessageID is the idempotency key the message goes under.
func (d *Delivery) ClientMessageID() chat.ClientMessageID { return d.r.frame.Message.ClientMessage }

// Done is closed when the server has answered, or the client has ended.
func (d *Delivery) Done() <-chan struct{} { return d.r.done }

// Wait returns the message as the server stored it, or why not: a *chat.Error, ErrClosed, or ctx's error. After ctx's
// error the message is sent no more, and whether it was stored is unknown.
func (d *Delivery) Wait(ctx context.Context) (protocol.Message, error) { return d.c.await(ctx, d.r) }

// Post puts a message into the outbox and returns at once; messages of one goroutine go out in the order of its posts.
// Until the server has answered it is sent again, under the same clientMessageId, on every new connection, when there
// was no answer in AckTimeout, and after a retryable error, at most ten times. RATE_LIMITED is not repeated: the answer
// says how long to wait. Post fails with ErrOutboxFull and ErrClosed.
func (c *Client) Post(m Outgoing) (*Delivery, error) {
	if m.ClientMessageID.IsZero() {
		m.ClientMessageID = chat.NewClientMessageID(c.o.Now())
	}
	r := newRequest(protocol.ClientFrame{Type: protocol.TypeMessage, Message: protocol.SendFrame{
		Conversation: m.Conversation, ClientMessage: m.ClientMessageID, Content: m.Content, ContentType: m.ContentType,
		Media: m.Media, ReplyTo: m.ReplyTo, Resend: m.Resend,
	}})
	if err := c.submit(r); err != nil {
		return nil, err
	}
	return &Delivery{c, r}, nil
}

// Send posts a message and waits for the server's answer, see Post and Delivery.Wait.
func (c *Client) Send(ctx context.Context, m Outgoing) (protocol.Message, error) {
	d, err := c.Post(m)
	if err != nil {
		return protocol.Message{}, err
	}
	return d.Wait(ctx)
}

// Edit changes the content of an own message and waits until the server has said so.
func (c *Client) Edit(ctx context.Context, conv chat.ConversationID, msg chat.MessageID, content string) error {
	return c.request(ctx, protocol.ClientFrame{Type: protocol.TypeEdit, Edit: protocol.EditFrame{Conversation: conv, Message: msg, Content: content}})
}

// Delete removes a message for everyone and waits until the server has said so.
func (c *Client) Delete(ctx context.Context, conv chat.ConversationID, msg chat.MessageID) error {
	return c.request(ctx, protocol.ClientFrame{Type: protocol.TypeDelete, Delete: protocol.DeleteFrame{Conversation: conv, Message: msg}})
}

// React sets one's reaction to a message, "" removes it, and waits until the server has said so.
func (c *Client) React(ctx context.Context, conv chat.ConversationID, msg chat.MessageID, emoji string) error {
	return c.request(ctx, protocol.ClientFrame{Type: protocol.TypeReact, React: protocol.ReactFrame{Conversation: conv, Message: msg, Emoji: emoji}})
}

// Read says that everything up to a message was read. An error of the server comes as an Event. ErrNotConnected.
func (c *Client) Read(conv chat.ConversationID, upTo chat.MessageID) error {
	return c.sendNow(&protocol.ClientFrame{Type: protocol.TypeRead, Read: protocol.ReadFrame{Conversation: conv, UpTo: upTo}})
}

// Typing says that the user types, or stopped. At most every two seconds. ErrNotConnected.
func (c *Client) Typing(conv chat.ConversationID, on bool) error {
	return c.sendNow(&protocol.ClientFrame{Type: protocol.TypeTyping, Typing: protocol.TypingFrame{Conversation: conv, On: on}})
}

// Presence asks for the presence of at most chat.MaxPresenceUsers users, now and as it changes in the next 5 minutes; the
// answers come as events. ErrNotConnected.
func (c *Client) Presence(users ...chat.UserID) error {
	if len(users) > chat.MaxPresenceUsers {
		return chat.Invalid("payload.userIds", "must have at most %d items", chat.MaxPresenceUsers)
	}
	return c.sendNow(&protocol.ClientFrame{Type: protocol.TypePresence, Presence: protocol.PresenceFrame{Users: users}})
}

// AckMessages acknowledges messages, at most chat.MaxAckIDs; for Options.ManualAck. ErrNotConnected.
func (c *Client) AckMessages(ids ...chat.MessageID) error {
	return c.sendNow(&protocol.ClientFrame{Type: protocol.TypeAck, Ack: protocol.AckFrame{Messages: ids}})
}

// AckEvents acknowledges edits, reactions and other events, at most chat.MaxAckIDs; for Options.ManualAck. ErrNotConnected.
func (c *Client) AckEvents(ids ...chat.EventID) error {
	return c.sendNow(&protocol.ClientFrame{Type: protocol.TypeAck, Ack: protocol.AckFrame{Events: ids}})
}

// AckBatch acknowledges a pending batch up to an event; for Options.ManualAck. ErrNotConnected.
func (c *Client) AckBatch(upTo chat.EventID) error {
	return c.sendNow(&protocol.ClientFrame{Type: protocol.TypeAck, Ack: protocol.AckFrame{UpTo: upTo}})
}

// A refused request is sent again after a time that doubles, half of it by chance, between these.
const (
	retrySoonest = 50 * time.Millisecond
	retryLatest  = 5 * time.Second
)

// request is something the server answers: a message, an edit, a deletion, a reaction.
type request struct {
	frame protocol.ClientFrame
	done  chan struct{}

	// Guarded by the outbox's mutex until done is closed.
	written  bool
	attempts int       // retryable errors so far
	due      time.Time // when to send again; zero while not written
	message  protocol.Message
	err      error
}

func newRequest(f protocol.ClientFrame) *request {
	return &request{frame: f, done: make(chan struct{})}
}

func (c *Client) request(ctx context.Context, f protocol.ClientFrame) error {
	r := newRequest(f)
	if err := c.submit(r); err != nil {
		return err
	}
	_, err := c.await(ctx, r)
	return err
}

func (c *Client) await(ctx context.Context, r *request) (protocol.Message, error) {
	select {
	case <-r.done:
		return r.message, r.err
	case <-ctx.Done():
		c.out.drop(r)
		return protocol.Message{}, ctx.Err()
	}
}

// submit puts a request into the outbox and, when there is a connection, on it. A failed write is not an error: the
// request goes out with the next connection.
func (c *Client) submit(r *request) error {
	// Checked here because a frame that is too large would end the connection, each time it was sent again.
	if f := &r.frame; max(utf8.RuneCountInString(f.Message.Content), utf8.RuneCountInString(f.Edit.Content)) > chat.MaxContent {
		return chat.Invalid("payload.content", "must have at most %d characters", chat.MaxContent)
	}
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if err := c.out.add(r); err != nil {
		return err
	}
	c.mu.Lock()
	cn := c.conn
	c.mu.Unlock()
	if cn != nil {
		_ = c.write(cn, r)
	}
	return nil
}

// write sends a request's frame; sendMu is held.
func (c *Client) write(cn *conn, r *request) error {
	frame := c.out.frame(r, c.o.Now().Add(c.o.AckTimeout))
	if frame == nil {
		return nil
	}
	return c.transmit(cn, frame)
}

// resendAll sends the whole outbox on a new connection; sendMu is held.
func (c *Client) resendAll(cn *conn) error {
	for _, r := range c.out.all() {
		if err := c.write(cn, r); err != nil {
			return err
		}
	}
	return nil
}

// repeat sends again what is overdue on the current connection, until ctx ends. With it goes a ping: when a whole
// AckTimeout later still nothing at all has come, the connection is dead and nobody has said so.
func (c *Client) repeat(ctx context.Context, cn *conn) {
	var pinged time.Time
	for {
		var timer <-chan time.Time
		if at, ok := c.out.next(); ok {
			timer = time.After(max(at.Sub(c.o.Now()), time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return
		case <-c.out.changed:
			continue
		case <-timer:
		}
		if now := time.Now(); !pinged.IsZero() && now.Sub(pinged) >= c.o.AckTimeout {
			if cn.heard.Load() < pinged.UnixMilli() {
				_ = cn.net.Close() // the reader sees it, and the client comes back
				return
			}
			pinged = time.Time{}
		}
		if pinged.IsZero() {
			pinged = time.Now()
			_ = cn.write(ws.OpPing, nil) // a failed write ends the reader too
		}
		c.sendMu.Lock()
		c.mu.Lock()
		current := c.conn == cn
		c.mu.Unlock()
		for _, r := range c.out.overdue(c.o.Now()) {
			if !current || c.write(cn, r) != nil {
				break // before welcome, which sends everything, or at the connection's end, which the reader sees too
			}
		}
		c.sendMu.Unlock()
	}
}

// outbox holds the requests that wait for an answer, in the order they were made.
type outbox struct {
	changed chan struct{} // something is due earlier than before

	mu      sync.Mutex
	limit   int
	list    []*request
	sends   map[chat.ClientMessageID]*request
	closed  error
	nextDue time.Time
}

func (o *outbox) init(limit int) {
	o.limit, o.changed, o.sends = limit, make(chan struct{}, 1), map[chat.ClientMessageID]*request{}
}

func (o *outbox) add(r *request) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed != nil {
		return o.closed
	}
	if len(o.list) >= o.limit {
		return ErrOutboxFull
	}
	if r.frame.Type == protocol.TypeMessage {
		if o.sends[r.frame.Message.ClientMessage] != nil {
			return chat.Invalid("clientMessageId", "is waiting in the outbox already")
		}
		o.sends[r.frame.Message.ClientMessage] = r
	}
	o.list = append(o.list, r)
	return nil
}

// frame encodes a request for the wire and sets when it is due again; nil when it was answered meanwhile.
func (o *outbox) frame(r *request, due time.Time) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case <-r.done:
		return nil
	default:
	}
	f := r.frame
	f.Message.Resend = f.Message.Resend || r.written
	r.written, r.due = true, due
	o.wake(due)
	return protocol.AppendClientFrame(make([]byte, 0, 256+len(f.Message.Content)+len(f.Edit.Content)), &f)
}

// wake tells the repeater about an earlier due time; mu is held.
func (o *outbox) wake(due time.Time) {
	if o.nextDue.IsZero() || due.Before(o.nextDue) {
		o.nextDue = due
		select {
		case o.changed <- struct{}{}:
		default:
		}
	}
}

func (o *outbox) all() []*request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]*request(nil), o.list...)
}

// next is when something may be due; early is harmless.
func (o *outbox) next() (time.Time, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.nextDue, !o.nextDue.IsZero()
}

// overdue returns what is due and finds the next time.
func (o *outbox) overdue(now time.Time) []*request {
	o.mu.Lock()
	defer o.mu.Unlock()
	var due []*request
	o.nextDue = time.Time{}
	for _, r := range o.list {
		switch {
		case !r.written:
		case !r.due.After(now):
			due = append(due, r)
		case o.nextDue.IsZero() || r.due.Before(o.nextDue):
			o.nextDue = r.due
		}
	}
	return due
}

func (o *outbox) drop(r *request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.remove(r)
}

// remove takes a request out; mu is held.
func (o *outbox) remove(r *request) {
	for i, x := range o.list {
		if x == r {
			o.list = append(o.list[:i], o.list[i+1:]...)
			break
		}
	}
	if m := r.frame.Message.ClientMessage; o.sends[m] == r {
		delete(o.sends, m)
	}
}

// finish answers a request; mu is held.
func (o *outbox) finish(r *request, err error) {
	o.remove(r)
	r.err = err
	close(r.done)
}

// stored answers the send of a message that the server has shown to be stored.
func (o *outbox) stored(m *protocol.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r, ok := o.sends[m.ClientMessageID]; ok {
		r.message = *m
		o.finish(r, nil)
	}
}

// answered finishes the first request that match accepts.
func (o *outbox) answered(match func(*protocol.ClientFrame) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.list {
		if r.written && match(&r.frame) {
			o.finish(r, nil)
			return
		}
	}
}

// refused answers the request that an error is about, or lets it wait and try again. False: it is about none.
func (o *outbox) refused(e *chat.Error, client chat.ClientMessageID, msg chat.MessageID, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.sends[client]
	if r == nil && msg != 0 {
		for _, x := range o.list {
			if _, about := x.frame.About(); x.written && about == msg {
				r = x
				break
			}
		}
	}
	if r == nil {
		return false
	}
	if e.Code.Retryable() && e.Code != chat.CodeRateLimited && r.attempts < maxAttempts {
		r.attempts++
		// Ever later, and not all at once: a server that has too much to do isn't helped by being asked again.
		bound := min(retrySoonest<<min(r.attempts, 10), retryLatest)
		r.due = now.Add(max(e.RetryAfter, bound/2+rand.N(bound/2)))
		o.wake(r.due)
		return true
	}
	o.finish(r, e)
	return true
}

// fail answers everything, and refuses what comes later.
func (o *outbox) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = err
	for len(o.list) > 0 {
		o.finish(o.list[0], err)
	}
}
