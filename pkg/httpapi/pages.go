package httpapi

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

//go:embed static
var static embed.FS

// pagePolicy is the content security policy of our own pages: nothing from elsewhere.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pages registers what is not REST: health, descriptions, reference, home.
func (a *API) pages() error {
	doc := a.huma.OpenAPI()
	// huma registers its own error, which we never send.
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
	openapi, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("httpapi: make the OpenAPI document: %w", err)
	}
	a.document("/openapi.json", openapi)
	if a.o.AsyncAPI != nil {
		a.document("/asyncapi.json", a.o.AsyncAPI)
	}
	for _, p := range []struct{ path, file, contentType string }{
		{"GET /docs", "docs.html", "text/html; charset=utf-8"},
		{"GET /docs/docs.js", "docs.js", "text/javascript; charset=utf-8"},
		{"GET /docs/page.css", "page.css", "text/css; charset=utf-8"},
	} {
		if err := a.page(p.path, p.file, p.contentType); err != nil {
			return err
		}
	}
	if a.o.Home != nil {
		// For every method: a pattern with one would be neither wider nor narrower than the API's own below.
		a.mux.Handle("/", a.o.Home)
	} else if err := a.page("GET /{$}", "home.html", "text/html; charset=utf-8"); err != nil {
		return err
	}
	a.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	a.mux.HandleFunc("GET /readyz", a.readyz)
	// What no route takes: problem JSON under the API's path, a plain 404 elsewhere.
	a.mux.HandleFunc(base+"/", a.noRoute)
	return nil
}

func (a *API) page(pattern, file, contentType string) error {
	body, err := static.ReadFile("static/" + file)
	if err != nil {
		return fmt.Errorf("httpapi: page %s: %w", file, err)
	}
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Security-Policy", pagePolicy)
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(body) // a client that is gone needs no page
	})
	return nil
}

func (a *API) document(path string, body []byte) {
	a.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // a client that is gone needs no document
	})
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // a prober that is gone needs no answer
}

// readyz says whether a balancer should send people here. Why not is in the log, not in the answer.
func (a *API) readyz(w http.ResponseWriter, r *http.Request) {
	if a.o.Ready != nil {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := a.o.Ready(ctx); err != nil {
			a.o.Log.Debug("not ready", "err", err)
			say(w, http.StatusServiceUnavailable, "not ready")
			return
		}
	}
	say(w, http.StatusOK, "ready")
}

// noRoute answers what is under the API's path but is no route of it.
func (a *API) noRoute(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = m
		if _, pattern := a.mux.Handler(probe); pattern != base+"/" {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) == 0 {
		problemOf(chat.NotFound("there is no such route")).write(w)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	p := problemOf(chat.Invalid("method", "must be one of %s", strings.Join(allowed, ", ")))
	p.Status, p.Title = http.StatusMethodNotAllowed, http.StatusText(http.StatusMethodNotAllowed)
	p.write(w)
}

// OpenAPI returns the description of the REST API, as JSON.
func (a *API) OpenAPI() ([]byte, error) {
	b, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("httpapi: make the OpenAPI document: %w", err)
	}
	return b, nil
}
