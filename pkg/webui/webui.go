package webui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed all:built
var built embed.FS

// ErrNotBuilt: the program was compiled without the web client.
var ErrNotBuilt = errors.New("webui: the web client is not in this program")

// The files that have a rule of their own.
const (
	indexPage = "index.html"
	demoPage  = "demo.html"
	worker    = "sw.js"
	// hashed is the folder whose files carry a digest of their content in their names.
	hashed = "assets/"
)

// Options of the client's pages.
type Options struct {
	// Files are the built client, index.html at the root, and name.gz beside what was compressed. Default: what was embedded.
	Files fs.FS
	// Media is the http(s) address where browsers fetch and send media when that isn't this server; only its origin counts.
	Media string
	// Demo serves /demo, whose page signs in with the public demo passwords.
	Demo bool
}

// Client is the built web client as a handler. It holds every file in memory, ready to be sent.
type Client struct {
	files map[string]*file
	media string
	demo  bool
}

// file is one file as it is sent: whole, and compressed where that was built.
type file struct {
	contentType, cache string
	plain, gzip        body
}

type body struct {
	bytes []byte
	etag  string
}

// types of the files that a build makes. The system's own table differs from one machine to the next.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".json": "application/json", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml", ".png": "image/png",
	".ico": "image/x-icon", ".webp": "image/webp", ".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8",
}

// New reads the built client. ErrNotBuilt when there is none.
func New(o Options) (*Client, error) {
	if o.Files == nil {
		sub, err := fs.Sub(built, "built")
		if err != nil {
			return nil, fmt.Errorf("webui: open what is embedded: %w", err)
		}
		o.Files = sub
	}
	at, ok := origin(o.Media)
	if !ok {
		return nil, fmt.Errorf("webui: %q is no address of media", o.Media)
	}
	c := &Client{files: map[string]*file{}, media: at, demo: o.Demo}
	err := fs.WalkDir(o.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(o.Files, name)
		if err != nil {
			return err
		}
		c.add(name, content)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("webui: read the built client: %w", err)
	}
	if !c.has(indexPage) {
		return nil, ErrNotBuilt
	}
	return c, nil
}

// add keeps a file, or the compressed form of one. What has no known type is no part of the client.
func (c *Client) add(name string, content []byte) {
	name, compressed := strings.CutSuffix(name, ".gz")
	contentType := types[path.Ext(name)]
	if contentType == "" {
		return
	}
	f := c.files[name]
	if f == nil {
		f = &file{contentType: contentType, cache: "no-cache"}
		if strings.HasPrefix(name, hashed) {
			f.cache = "public, max-age=31536000, immutable"
		}
		c.files[name] = f
	}
	sum := sha256.Sum256(content)
	b := body{bytes: content, etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
	if compressed {
		f.gzip = b
	} else {
		f.plain = b
	}
}

// ServeHTTP implements http.Handler.
func (c *Client) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "pages are only read", http.StatusMethodNotAllowed)
		return
	}
	name, ok := c.name(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	c.guard(w.Header(), r)
	if name == worker {
		w.Header().Set("Service-Worker-Allowed", "/")
	}
	c.files[name].serve(w, r)
}

// name of the file that a path shows. The client's own routes, which have no dot, all show the one page; a file that isn't
// there is not found, so that a mistyped script never becomes a page.
func (c *Client) name(at string) (string, bool) {
	at = strings.TrimPrefix(at, "/")
	switch {
	case at == "":
		return indexPage, true
	case at == "demo" || at == demoPage:
		return demoPage, c.demo && c.has(demoPage)
	case c.has(at):
		return at, true
	}
	return indexPage, !strings.Contains(at, ".") && !reserved(at)
}

func (c *Client) has(name string) bool {
	f := c.files[name]
	return f != nil && f.plain.bytes != nil
}

// reserved paths are the server's: what isn't there is an error to show, not a page of the client's.
func reserved(at string) bool {
	first, _, _ := strings.Cut(at, "/")
	switch first {
	case "api", "assets", "debug", "demo", "docs", "healthz", "metrics", "readyz", "ws":
		return true
	}
	return false
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", f.cache)
	b := f.plain
	if f.gzip.bytes != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			b = f.gzip
			h.Set("Content-Encoding", "gzip")
			// ServeContent leaves the length away where it sees an encoding; it corrects it where it sends a part.
			h.Set("Content-Length", strconv.Itoa(len(b.bytes)))
		}
	}
	h.Set("ETag", b.etag)
	// No modification time: an embedded file has none, and the tag says more.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b.bytes))
}

// acceptsGzip reads an Accept-Encoding: gzip or * without a quality of zero.
func acceptsGzip(header string) bool {
	star := false
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "*" {
			continue
		}
		q := 1.0
		if v, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(v, 64); err != nil {
				q = 0
			}
		}
		if coding == "gzip" {
			return q > 0
		}
		star = q > 0
	}
	return star
}
