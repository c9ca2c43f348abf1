package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// Bounds and times, where the options say nothing.
const (
	DefaultAckDelay    = 100 * time.Millisecond
	MaxAckDelay        = 200 * time.Millisecond
	DefaultAckTimeout  = 10 * time.Second
	DefaultDialTimeout = 10 * time.Second
	DefaultBackoffMin  = 250 * time.Millisecond
	DefaultBackoffMax  = 30 * time.Second
	DefaultOutbox      = 1024
	DefaultWindow      = 8192
	DefaultMaxMessage  = 16 << 20

	queueLen     = 1024             // events between the socket and the handler
	writeTimeout = 10 * time.Second // of one frame
	steady       = 10 * time.Second // a connection that lasted so long starts the backoff anew
	maxAttempts  = 10               // of one request that the server answers with a retryable error
)

// Direction says which way a frame went.
type Direction uint8

// The directions.
const (
	In  Direction = iota + 1 // from the server
	Out                      // to the server
)

// Handler is the application. Handle is called for one event at a time, in order; an event with an ID, or of a pending
// batch, is acknowledged after it returned nil: store before returning. An error leaves the event unacknowledged and
// reconnects, so that the server sends it again. It may call the client's methods, Close excepted; ctx ends with the
// connection. While it is more than 1,024 events behind, statuses, typing, presence and the answers to own sends (which
// Send returns) are left out.
type Handler interface {
	Handle(ctx context.Context, e *Event) error
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, e *Event) error

// Handle implements Handler.
func (f HandlerFunc) Handle(ctx context.Context, e *Event) error { return f(ctx, e) }

// Options say how to connect. URL and Token are required.
type Options struct {
	URL    string // the server: http(s)://host:port, or the WebSocket's own ws(s)://host:port/ws
	Token  string // bearer token
	Device chat.DeviceID
	Cursor chat.EventID // asks to go back to here on the first connect; 0: where the server says the device is

	Handler Handler
	// OnState is told when a connection stands (nil) and why it ended (a *RefusedError, a *CloseError, …). It must not block.
	OnState func(connected bool, err error)
	// OnFrame sees every text frame as it is on the wire; frame is valid during the call only. It must
	// not block, and may be called from several goroutines at a time.
	OnFrame func(d Direction, frame []byte)
	// ManualAck leaves acknowledging to the application: AckMessages, AckEvents, AckBatch.
	ManualAck bool

	AckDelay    time.Duration // how long live acks are gathered; negative: not at all; at most MaxAckDelay
	AckTimeout  time.Duration // a send unanswered for so long is sent again
	DialTimeout time.Duration
	BackoffMin  time.Duration // the first reconnect waits up to this, each next up to twice as long
	BackoffMax  time.Duration
	Outbox      int // sends waiting for an answer
	Window      int // messages remembered to show none twice
	MaxMessage  int // bytes of one frame of the server

	Dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	TLS    *tls.Config
	Header http.Header // goes with the upgrade
	Log    *slog.Logger
	Now    func() time.Time
}

func (o Options) withDefaults() (Options, error) {
	if o.URL == "" {
		return o, errors.New("client: no URL")
	}
	if o.Token == "" {
		return o, errors.New("client: no token")
	}
	u, err := socketURL(o.URL)
	if err != nil {
		return o, err
	}
	o.URL = u
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Device.IsZero() {
		o.Device = chat.NewDeviceID(o.Now())
	}
	if o.Handler == nil {
		o.Handler = HandlerFunc(func(context.Context, *Event) error { return nil })
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	set(&o.AckDelay, DefaultAckDelay)
	o.AckDelay = min(max(o.AckDelay, 0), MaxAckDelay)
	set(&o.AckTimeout, DefaultAckTimeout)
	set(&o.DialTimeout, DefaultDialTimeout)
	set(&o.BackoffMin, DefaultBackoffMin)
	set(&o.BackoffMax, DefaultBackoffMax)
	set(&o.Outbox, DefaultOutbox)
	set(&o.Window, DefaultWindow)
	set(&o.MaxMessage, DefaultMaxMessage)
	return o, nil
}

func set[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

// socketURL turns the server's address into that of its WebSocket.
func socketURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil {
		return "", fmt.Errorf("client: URL: %w", err)
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	case "ws", "wss":
	default:
		return "", fmt.Errorf("client: URL %q: want http, https, ws or wss", s)
	}
	if !strings.HasSuffix(u.Path, "/ws") {
		u.Path = strings.TrimSuffix(u.Path, "/") + "/ws"
	}
	return u.String(), nil
}

// Event is one thing that happened. Type says which of the parts is set.
type Event struct {
	Type    protocol.Type
	ID      chat.EventID // of durable events; 0 otherwise
	Pending bool         // came with a batch of what was missed
	// Replaces, on a message: this is the same message under the older id that counts; forget the one with this id.
	Replaces chat.MessageID

	Message      *protocol.Message
	Status       *protocol.StatusPayload
	Typing       *protocol.TypingPayload
	Presence     *protocol.PresencePayload
	Conversation *protocol.ConversationPayload
	Reaction     *protocol.ReactionPayload
	Edited       *protocol.EditedPayload
	Deleted      *protocol.DeletedPayload
	Welcome      *protocol.WelcomePayload
	Synced       *protocol.SyncedPayload
	Gap          *protocol.GapPayload
	Error        *chat.Error // one that no call is waiting for
}
