package wsconn

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/murre-chat/murre/pkg/gateway/netpoll"
)

// Options of a Server. Zero values mean the defaults named here.
type Options struct {
	Handler Handler // required
	// HTTP serves every request that isn't an upgrade of Path; its Handler and timeouts are the caller's. nil: such
	// requests are answered with 404. Its requests have no TLS field, also over TLS. Route Path to Server.ServeUpgrade, which
	// makes a kept-alive HTTP connection a WebSocket.
	HTTP *http.Server
	Log  *slog.Logger // default slog.Default()

	Listen    string       // host:port; used when Listener is nil
	Listener  net.Listener // already bound; the server closes it
	Transport netpoll.Kind // Epoll or Goroutine; default: Epoll where there is epoll and TLS is nil
	Loops     int          // event loops of the epoll transport; default one a core
	TLS       *tls.Config  // serve TLS (always on the goroutine transport); HTTP/1.1 only

	Path           string         // of the WebSocket, default "/ws"
	TrustedProxies []netip.Prefix // who may send a PROXY v2 header and X-Forwarded-For; default nobody

	MaxConnections  int // all sockets, HTTP included; more are closed at once; default 1 << 20
	MaxHTTP         int // connections handed to HTTP at one time; default 8192
	MaxUpgrades     int // Handler.Upgrade calls at once; default 64
	MaxUpgradeQueue int // upgrades waiting for their turn; default 8192

	HandshakeTimeout time.Duration // from accept to the end of the request; default 5 s
	MaxUpgradeWait   time.Duration // for Handler.Upgrade's turn; who waited longer is refused with 503; default 6 s
	// Away says after how long somebody whose turn doesn't come is to come again; default 1 s.
	Away           func() time.Duration
	UpgradeTimeout time.Duration // waiting for and in Handler.Upgrade; default 10 s
	CloseTimeout   time.Duration // from our close frame to the peer's, and for the last bytes to go out; default 5 s
	PingAfter      time.Duration // silence before a ping, with up to 10% taken off at random; default 55 s; negative: never
	MaxMissedPings int           // pings in a row without any sign of life before the connection closes; default 2

	Limits Limits
}

// Limits on what one peer may send and leave unread. Zero: the default; negative: no limit.
type Limits struct {
	Handshake   int // bytes of the request's head, default 8 KiB
	Message     int // bytes of a message over all its fragments, default 128 KiB; without a limit: 1 GiB
	Fragments   int // frames a message, default 16
	ControlRate int // control frames a second, default 10
	Outbound    int // bytes waiting to be written, default 256 KiB
}

const (
	defaultMaxConnections = 1 << 20
	defaultMaxHTTP        = 8192
	defaultMaxUpgrades    = 64
	defaultUpgradeQueue   = 8192
	largest               = 1 << 30 // what "no limit" means for bytes
)

func (o Options) withDefaults() (Options, error) {
	if o.Handler == nil {
		return o, errors.New("wsconn: Options.Handler is missing")
	}
	if o.Listener == nil && o.Listen == "" {
		return o, errors.New("wsconn: neither Options.Listen nor Options.Listener is set")
	}
	if o.Transport == netpoll.Auto {
		o.Transport = netpoll.Default()
		if o.TLS != nil {
			o.Transport = netpoll.Goroutine
		}
	}
	if o.TLS != nil && o.Transport != netpoll.Goroutine {
		return o, errors.New("wsconn: TLS needs the goroutine transport")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Path == "" {
		o.Path = "/ws"
	}
	or(&o.MaxConnections, defaultMaxConnections)
	or(&o.MaxHTTP, defaultMaxHTTP)
	or(&o.MaxUpgrades, defaultMaxUpgrades)
	or(&o.MaxUpgradeQueue, defaultUpgradeQueue)
	or(&o.HandshakeTimeout, 5*time.Second)
	or(&o.MaxUpgradeWait, 6*time.Second)
	or(&o.UpgradeTimeout, 10*time.Second)
	or(&o.CloseTimeout, 5*time.Second)
	or(&o.PingAfter, 55*time.Second)
	or(&o.MaxMissedPings, 2)
	or(&o.Limits.Handshake, 8<<10)
	or(&o.Limits.Message, 128<<10)
	or(&o.Limits.Fragments, 16)
	or(&o.Limits.ControlRate, 10)
	or(&o.Limits.Outbound, 256<<10)
	for _, bytes := range []*int{&o.Limits.Handshake, &o.Limits.Message, &o.Limits.Outbound} {
		if *bytes < 0 {
			*bytes = largest
		}
	}
	return o, nil
}

func or[T int | time.Duration](v *T, fallback T) {
	if *v == 0 {
		*v = fallback
	}
}
