package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/config"
	"github.com/murre-chat/murre/pkg/gateway"
	"github.com/murre-chat/murre/pkg/gateway/netpoll"
	"github.com/murre-chat/murre/pkg/gateway/wsconn"
	"github.com/murre-chat/murre/pkg/httpapi"
	"github.com/murre-chat/murre/pkg/inbox"
	"github.com/murre-chat/murre/pkg/media"
	"github.com/murre-chat/murre/pkg/observe"
	"github.com/murre-chat/murre/pkg/operate"
	"github.com/murre-chat/murre/pkg/protocol"
	"github.com/murre-chat/murre/pkg/router"
	"github.com/murre-chat/murre/pkg/service"
	"github.com/murre-chat/murre/pkg/session"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/webui"
)

// Info is what an App is told beside its options.
type Info struct {
	Version string
	Log     *slog.Logger
	Home    http.Handler // served at "/"; nil: the web client, or a page that says how to chat from a terminal where it wasn't built
}

// App is a whole server. Build it with New; Run serves.
type App struct {
	cfg  *config.Config
	info Info
	log  *slog.Logger
	self session.GatewayID

	engines *engines
	ports   store.Store // the engines', with what belongs on top of them
	router  *router.Router
	service *service.Service
	auth    *auth.Auth
	inbox   *inbox.Log
	sweeper *media.Sweeper
	gateway *gateway.Gateway
	server  *wsconn.Server
	admin   *admin // nil: switched off

	sendTime, fanoutTime, deliverTime observe.Histogram

	draining atomic.Bool
	serving  atomic.Bool
}

// New opens the data folder, builds every part and binds the ports. Nothing is served before Run; who doesn't call Run
// calls Close. The error says which option or file is at fault.
func New(ctx context.Context, cfg *config.Config, info Info) (_ *App, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a := &App{cfg: cfg, info: info, log: info.Log, self: session.GatewayID{Name: gatewayName(cfg), Epoch: time.Now().UnixMilli()}}
	var opened []io.Closer
	defer func() {
		if err != nil {
			for i := len(opened) - 1; i >= 0; i-- {
				err = errors.Join(err, opened[i].Close())
			}
		}
	}()
	verifier, err := verifier(cfg)
	if err != nil {
		return nil, err
	}
	origins, err := auth.NewOrigins(cfg.AllowedOrigins)
	if err != nil {
		return nil, fmt.Errorf("--allowed-origins: %w", err)
	}
	cert, err := certificate(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Store == "embedded" {
		a.engines, err = openEmbedded(cfg, a.log)
	} else {
		a.engines, err = openCluster(ctx, cfg, a.self, a.log)
	}
	if err != nil {
		return nil, err
	}
	opened = append(opened, closerFunc(a.engines.close))
	if err := a.assemble(verifier); err != nil {
		return nil, err
	}
	handler, err := a.rest(origins)
	if err != nil {
		return nil, err
	}
	if err := a.sockets(origins, handler, cert); err != nil {
		return nil, err
	}
	if err := a.server.Listen(); err != nil {
		return nil, bindError("listen", cfg.Listen, err)
	}
	opened = append(opened, closerFunc(a.abandon))
	if cfg.Admin != "off" {
		if a.admin, err = newAdmin(ctx, a); err != nil {
			return nil, err
		}
		opened = append(opened, a.admin)
	}
	return a, a.place().Write(cfg.Data)
}

// assemble builds the parts between the engines and the doors.
func (a *App) assemble(jwt *auth.Verifier) (err error) {
	e := a.engines
	ports := e.ports
	ports.Media = media.Erasing(ports.Media, e.blobs) // a deleted message takes the bytes of its media along
	a.ports = ports
	a.router = router.New(router.Options{Self: a.self, Sessions: e.sessions, Bus: e.bus, Log: a.log, Alone: e.alone})
	a.service = service.New(service.Options{
		Store: ports, Clock: e.clock, Router: a.router, Admit: e.admission, Log: a.log, Presence: e.presence, MaxCommits: e.maxCommits, Load: e.load,
	})
	a.auth, err = auth.New(auth.Options{
		Users: ports.Users, Sessions: ports.Sessions, Changes: ports.Changes, Router: a.router, Log: a.log,
		Closed: a.cfg.Registration == "closed", JWT: jwt,
	})
	if err != nil {
		return fmt.Errorf("sign-ins: %w", err)
	}
	a.inbox = inbox.New(inbox.Options{
		Store: ports, Receipts: a.service, Conversations: a.service, Logger: a.log,
		FirstVerify: firstVerify(e), VerifyInterval: cmp.Or(a.cfg.VerifyInterval, e.verify), VerifyIdle: a.cfg.VerifyIdle, Load: e.load,
	})
	a.sweeper = media.NewSweeper(e.blobs, ports.Media, a.log, time.Now)
	return nil
}

// tell is how the gateway speaks to another one; nil where there is none.
func (a *App) tell() func(ctx context.Context, to session.GatewayID, p *chat.Push) error {
	if a.engines.alone {
		return nil
	}
	return a.router.Tell
}

// firstVerify is how soon after activity a device's log is looked at: at once where a read sees it, after a second, when
// acks are to be stored, where the horizon trails.
func firstVerify(e *engines) time.Duration {
	if e.ports.Inbox.Lag() > 0 {
		return time.Second
	}
	return 0
}

// webClient is the web client as this server serves it, nil where the program was compiled without.
func (a *App) webClient() (http.Handler, error) {
	c, err := webui.New(webui.Options{Media: a.engines.mediaAt, Demo: a.cfg.Demo})
	switch {
	case errors.Is(err, webui.ErrNotBuilt):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return c, nil
}

// rest builds what is served over plain HTTP.
func (a *App) rest(origins auth.Origins) (http.Handler, error) {
	if a.info.Home == nil {
		var err error
		if a.info.Home, err = a.webClient(); err != nil {
			return nil, err
		}
	}
	api, err := httpapi.New(httpapi.Options{
		Accounts: a.auth, Sessions: a.auth, Service: a.service, Inbox: a.inbox, Blobs: a.engines.blobs, Limiter: a.engines.admission, Log: a.log,
		Origins: origins, SecureCookies: a.cfg.TLSCert != "", MaxMedia: int64(a.cfg.MaxMedia), Ready: a.Ready,
		Version: a.info.Version, AsyncAPI: protocol.AsyncAPI(), Home: a.info.Home,
		ClientAddr: func(remote netip.AddrPort, forwarded []string) netip.AddrPort {
			return wsconn.ClientAddr(remote, forwarded, a.cfg.TrustedProxies)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("REST: %w", err)
	}
	return api, nil
}

// sockets builds the gateway and the server of the one port.
func (a *App) sockets(origins auth.Origins, rest http.Handler, cert *tls.Config) (err error) {
	limits := protocol.DefaultLimits()
	limits.FrameBytes, limits.MediaBytes = int(a.cfg.MaxMessage), int(a.cfg.MaxMedia)
	a.gateway = gateway.New(gateway.Options{
		Self: a.self, Auth: a.auth, Origins: func(origin, host string) bool { return origins.Allowed(origin, host, true) },
		Service: a.service, Inbox: a.inbox, Store: a.ports, Sessions: a.engines.sessions, Presence: a.engines.presence, Admit: a.engines.admission,
		Log: a.log, Limits: limits, Heartbeat: a.cfg.Heartbeat, SendTime: &a.sendTime, Tell: a.tell(), Load: a.engines.load.Sooner(),
	})
	// In this order: a connection that opens meanwhile is in the hub before it asks whether its sign-in has ended.
	a.service.Watch(func(e *store.ChangeEntry) {
		if e.Kind == store.LogSession {
			a.auth.Revoked(e.Session)
		}
	})
	a.service.Watch(a.gateway.Changed)
	a.engines.replaced = a.gateway.Replaced
	if a.engines.local != nil {
		a.engines.local(a.gateway.Sessions)
	}
	a.router.SetLocal(timed{a.gateway, &a.fanoutTime, &a.deliverTime})
	plain := &http.Server{Handler: rest, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)}
	httpapi.Configure(plain)
	kind := map[string]netpoll.Kind{"auto": netpoll.Auto, "epoll": netpoll.Epoll, "goroutine": netpoll.Goroutine}[a.cfg.Transport]
	a.server, err = wsconn.NewServer(wsconn.Options{
		Handler: a.gateway, HTTP: plain, Log: a.log, Listen: a.cfg.Listen, Transport: kind, Loops: a.cfg.Loops, TLS: cert,
		TrustedProxies: a.cfg.TrustedProxies, MaxConnections: a.maxConnections(), HandshakeTimeout: a.cfg.HandshakeTimeout,
		PingAfter: a.cfg.Heartbeat, Away: a.gateway.Away,
		Limits: wsconn.Limits{
			Message: int(a.cfg.MaxMessage), Fragments: a.cfg.MaxFragments, ControlRate: a.cfg.MaxControlRate, Outbound: int(a.cfg.OutboundQueue),
		},
	})
	if err != nil {
		return fmt.Errorf("sockets: %w", err)
	}
	return nil
}

// Close gives up an App that was not run.
func (a *App) Close() error {
	errs := []error{a.abandon(), operate.RemovePlace(a.cfg.Data)}
	if a.admin != nil {
		errs = append(errs, a.admin.Close())
	}
	return errors.Join(append(errs, a.engines.close())...)
}

// abandon lets go of the bound port: a server that runs with an ended context closes it and ends.
func (a *App) abandon() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return a.server.Run(ctx)
}

type closerFunc func() error

func (f closerFunc) Close() error { return f() }

// Ready says why the server shouldn't get traffic, nil when it should.
func (a *App) Ready(ctx context.Context) error {
	switch {
	case a.draining.Load():
		return errors.New("draining")
	case !a.serving.Load():
		return errors.New("starting")
	}
	return a.engines.ready(ctx)
}

// URL is where the server listens, for people to click on.
func (a *App) URL() string {
	scheme := "http"
	if a.cfg.TLSCert != "" {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(a.server.Addr().String())
	if err != nil {
		return scheme + "://" + a.server.Addr().String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// HasWebClient reports whether there is more to see in a browser than a page about terminals.
func (a *App) HasWebClient() bool { return a.info.Home != nil }

// EnsureUser makes an account unless the name is taken.
func (a *App) EnsureUser(ctx context.Context, username, password string) error {
	_, err := a.auth.CreateUser(ctx, auth.Registration{Username: username, Password: password, DisplayName: strings.ToUpper(username[:1]) + username[1:]})
	if chat.CodeOf(err) == chat.CodeConflict && err != nil {
		return nil
	}
	return err
}

func verifier(cfg *config.Config) (*auth.Verifier, error) {
	expect := auth.Expect{Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience}
	read := func(option, name string, make func([]byte, auth.Expect) (*auth.Verifier, error)) (*auth.Verifier, error) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", option, err)
		}
		v, err := make(text, expect)
		if err != nil {
			return nil, fmt.Errorf("--%s: %s: %w", option, name, err)
		}
		return v, nil
	}
	switch {
	case cfg.JWTSecretFile != "":
		return read("jwt-secret-file", cfg.JWTSecretFile, auth.NewHS256)
	case cfg.JWTPublicKey != "":
		return read("jwt-public-key", cfg.JWTPublicKey, auth.NewPublicKey)
	case cfg.JWTJWKS != "":
		v, err := auth.NewJWKS(cfg.JWTJWKS, expect)
		if err != nil {
			return nil, fmt.Errorf("--jwt-jwks: %w", err)
		}
		return v, nil
	}
	return nil, nil
}

func certificate(cfg *config.Config) (*tls.Config, error) {
	if cfg.TLSCert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// bindError says what to do about a port that can't be had.
func bindError(option, addr string, err error) error {
	if isInUse(err) {
		return fmt.Errorf("--%s: %s is in use by another program: choose another port", option, addr)
	}
	return fmt.Errorf("--%s: %w", option, err)
}
