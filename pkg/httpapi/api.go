package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/media"
)

// base is the path of the REST API.
const base = "/api/v1"

// maxBody of a JSON request, in bytes.
const maxBody = 1 << 20

// Options are what the API works with. Accounts, Sessions, Service, Inbox, Blobs, Limiter and Log are required.
type Options struct {
	Accounts Accounts
	Sessions Sessions
	Service  UseCases
	Inbox    Inbox
	Blobs    media.Blobs
	Limiter  Limiter
	Log      *slog.Logger

	// Origins may use a cookie.
	Origins auth.Origins
	// SecureCookies marks cookies Secure even where no request shows TLS.
	SecureCookies bool
	// MaxMedia is the largest blob, in bytes; default media.DefaultMaxSize.
	MaxMedia int64
	// PicturesAtOnce are decoded at the same time (up to 400 MB each); default 1.
	PicturesAtOnce int
	// ClientAddr resolves the address of a request's client from that of the connection and the values of
	// X-Forwarded-For, which only trusted proxies may set. Default: the connection's address.
	ClientAddr func(remote netip.AddrPort, forwarded []string) netip.AddrPort
	// Ready says why the server shouldn't get traffic, or nil. Default: always ready.
	Ready func(ctx context.Context) error
	// Version is shown in the API reference.
	Version string
	// AsyncAPI is the description of the WebSocket, served at /asyncapi.json.
	AsyncAPI []byte
	// Home gets what no other route takes, whatever the method, when set; default: at "/", a page that says how to chat
	// from two terminals.
	Home http.Handler
}

// API serves everything on the port but the WebSocket.
type API struct {
	o        Options
	huma     huma.API
	mux      *http.ServeMux
	pictures *media.Pictures
	handler  http.Handler
}

// New builds the API; it starts nothing.
func New(o Options) (*API, error) {
	if o.Accounts == nil || o.Sessions == nil || o.Service == nil || o.Inbox == nil || o.Blobs == nil || o.Limiter == nil || o.Log == nil {
		return nil, errors.New("httpapi: Accounts, Sessions, Service, Inbox, Blobs, Limiter and Log are required")
	}
	if o.MaxMedia <= 0 {
		o.MaxMedia = media.DefaultMaxSize
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	a := &API{o: o, mux: http.NewServeMux(), pictures: media.NewPictures(o.PicturesAtOnce)}
	a.huma = humago.New(a.mux, a.describe())
	a.accountRoutes()
	a.sessionRoutes()
	a.peopleRoutes()
	a.conversationRoutes()
	a.memberRoutes()
	a.messageRoutes()
	a.mediaRoutes()
	a.syncRoutes()
	if err := a.pages(); err != nil {
		return nil, err
	}
	a.handler = a.guarded(a.mux)
	return a, nil
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// Configure sets the deadlines and limits of the HTTP server that serves the API: slow headers, slow bodies and slow
// readers are cut off. Uploads and downloads of media move their own deadlines as they go on.
func Configure(s *http.Server) {
	s.ReadHeaderTimeout = 10 * time.Second
	s.ReadTimeout = 30 * time.Second
	s.WriteTimeout = 60 * time.Second
	s.IdleTimeout = 75 * time.Second
	s.MaxHeaderBytes = 16 << 10
}

// describe starts the OpenAPI document, and sets how bodies are read and written.
func (a *API) describe() huma.Config {
	c := huma.DefaultConfig("Murre", a.o.Version)
	c.Info.Description = "The REST API of Murre. Live messages come over the WebSocket at `/ws`, described by `/asyncapi.json`."
	c.CreateHooks, c.DocsPath, c.OpenAPIPath, c.SchemasPath = nil, "", "", ""
	f := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: readJSON}
	c.Formats = map[string]huma.Format{"application/json": f, "json": f}
	c.RejectUnknownQueryParameters = true
	c.Transformers = []huma.Transformer{asProblem}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "A session token, or a JWT of a configured issuer."},
		"cookie": {Type: "apiKey", In: "cookie", Name: auth.CookieName, Description: "The session cookie of browsers; unsafe methods need an allowed Origin."},
	}
	return c
}
