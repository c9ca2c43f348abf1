package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// Client is one device's connection to a server. Its methods may be called from any goroutine.
type Client struct {
	o    Options
	seen *window // belongs to the goroutine that calls the handler
	out  outbox

	sendMu sync.Mutex // held while frames go out in the order of their sends

	mu       sync.Mutex
	conn     *conn // nil: not connected
	user     chat.UserID
	welcomed chan struct{} // closed at the first welcome
	greeted  bool
	synced   chan struct{} // closed when the current connection has caught up
	upTo     time.Time

	stop context.CancelFunc // set by Dial
	done chan struct{}      // closed when Run has ended
	err  error              // why; valid once done is closed
	ran  sync.Once
}

// New makes a client that does nothing until Run. Bad options are an error.
func New(o Options) (*Client, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{
		o: o, seen: newWindow(o.Window), welcomed: make(chan struct{}), synced: make(chan struct{}), done: make(chan struct{}),
	}
	c.out.init(o.Outbox)
	return c, nil
}

// Dial makes a client, runs it in a goroutine of its own until Close, and returns when the server has welcomed it. It
// goes on trying while ctx lasts, and fails at once when the server refuses for good (*RefusedError). ctx is not used
// after Dial has returned.
func Dial(ctx context.Context, o Options) (*Client, error) {
	c, err := New(o)
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.Background())
	c.stop = stop
	go func() { _ = c.Run(run) }() // Err has the error
	select {
	case <-c.welcomed:
		return c, nil
	case <-c.done:
		stop()
		return nil, c.err
	case <-ctx.Done():
		stop()
		<-c.done
		return nil, fmt.Errorf("dial: %w", ctx.Err())
	}
}

// Close ends a client that Dial made and waits for its goroutines; the connection closes with 1000 after the acks that
// were being gathered. Not to be called from the handler.
func (c *Client) Close() {
	if c.stop != nil {
		c.stop()
		<-c.done
	}
}

// Done is closed when the client has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the client has ended, nil while it runs.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Device returns the device's id.
func (c *Client) Device() chat.DeviceID { return c.o.Device }

// User returns whose client this is, zero before the first welcome.
func (c *Client) User() chat.UserID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user
}

// Connected reports whether there is a connection now.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn != nil
}

// WaitSynced returns when the handler has had everything that was pending at the current connect. It returns the time up
// to which nothing is missing.
func (c *Client) WaitSynced(ctx context.Context) (time.Time, error) {
	for {
		c.mu.Lock()
		ch := c.synced
		c.mu.Unlock()
		select {
		case <-ch:
			c.mu.Lock()
			same, at := ch == c.synced, c.upTo
			c.mu.Unlock()
			if same {
				return at, nil
			}
		case <-c.done:
			return time.Time{}, ErrClosed
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}

// Run connects, and connects again with full jitter whenever the connection is lost, until ctx ends or the server says
// that there is no coming back: refused with 400, 401, 403 or 409, or closed with 4001, 4002 or 4003. It may be called
// once. It returns the *RefusedError or *CloseError, or ErrClosed when ctx ended.
func (c *Client) Run(ctx context.Context) error {
	first := false
	c.ran.Do(func() { first = true })
	if !first {
		return errors.New("client: Run was called before")
	}
	c.err = c.run(ctx)
	c.out.fail(c.err)
	close(c.done)
	return c.err
}

func (c *Client) run(ctx context.Context) error {
	for attempt := 0; ; {
		started := c.o.Now()
		welcomed, err := c.session(ctx)
		if ctx.Err() != nil {
			c.state(false, ErrClosed)
			return ErrClosed
		}
		c.state(false, err)
		if permanent(err) {
			return err
		}
		if welcomed && c.o.Now().Sub(started) > min(c.o.BackoffMax, steady) {
			attempt = 0
		}
		wait := c.backoff(attempt, err)
		attempt++
		c.o.Log.Debug("client reconnects", "error", err, "wait", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ErrClosed
		}
	}
}

// backoff is full jitter under a doubling bound, on top of what the server asked for.
func (c *Client) backoff(attempt int, err error) time.Duration {
	bound := c.o.BackoffMax
	if attempt < 20 {
		bound = min(bound, c.o.BackoffMin<<attempt)
	}
	wait := time.Duration(rand.Int64N(int64(bound) + 1))
	var drain *drainError
	if errors.As(err, &drain) {
		return drain.after + min(wait, drain.after/4)
	}
	return wait + retryAfter(err)
}

// drainError ends a session whose server said `reconnect`.
type drainError struct{ after time.Duration }

func (e *drainError) Error() string { return "server is draining" }

func (c *Client) state(connected bool, err error) {
	if c.o.OnState != nil {
		c.o.OnState(connected, err)
	}
}

// session is one connection from the dial to its end.
func (c *Client) session(ctx context.Context) (welcomed bool, err error) {
	c.mu.Lock()
	again := c.greeted
	c.mu.Unlock()
	cn, err := dial(ctx, &c.o, !again)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &session{c: c, conn: cn, acks: newAcker(c, cn), queue: make(chan *Event, queueLen), fatal: cancel}
	var wg sync.WaitGroup
	wg.Go(func() {
		<-ctx.Done()
		s.acks.stop()
		cn.close(ws.StatusNormalClosure)
	})
	wg.Go(func() { s.dispatch(ctx) })
	wg.Go(func() { c.repeat(ctx, cn) })
	err = s.receive(ctx)
	c.mu.Lock()
	if c.conn == cn {
		c.conn = nil
		select {
		case <-c.synced:
			c.synced = make(chan struct{})
		default:
		}
	}
	c.mu.Unlock()
	cancel()
	wg.Wait()
	if s.err != nil {
		err = s.err
	}
	return s.welcomed, err
}

// welcome makes the connection the client's own and sends what waits in the outbox, in order.
func (c *Client) welcome(s *session, w *protocol.WelcomePayload) error {
	if w.HeartbeatSeconds > 0 {
		s.conn.idle = time.Duration(w.HeartbeatSeconds)*time.Second*5/2 + DefaultDialTimeout
	} else {
		s.conn.idle = 3 * time.Minute
	}
	c.sendMu.Lock()
	c.mu.Lock()
	c.conn, c.user = s.conn, w.User
	first := !c.greeted
	c.greeted = true
	c.mu.Unlock()
	err := c.resendAll(s.conn)
	c.sendMu.Unlock()
	if first {
		close(c.welcomed)
	}
	c.state(true, nil)
	return err
}

// caughtUp records a `synced` that the handler has seen.
func (c *Client) caughtUp(cn *conn, upTo protocol.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != cn {
		return
	}
	c.upTo = upTo.Time()
	select {
	case <-c.synced:
	default:
		close(c.synced)
	}
}

// transmit writes a frame on a connection and shows it to OnFrame.
func (c *Client) transmit(cn *conn, frame []byte) error {
	if c.o.OnFrame != nil {
		c.o.OnFrame(Out, frame)
	}
	return cn.text(frame)
}

// sendNow writes a frame that makes no sense later.
func (c *Client) sendNow(f *protocol.ClientFrame) error {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	c.mu.Lock()
	cn := c.conn
	c.mu.Unlock()
	if cn == nil {
		return ErrNotConnected
	}
	return c.transmit(cn, protocol.AppendClientFrame(nil, f))
}
