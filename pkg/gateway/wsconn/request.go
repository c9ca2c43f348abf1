package wsconn

import (
	"net/netip"
	"net/url"
	"strings"
)

// Request is the HTTP request of an upgrade. Immutable.
type Request struct {
	Path         string         // as sent, not decoded
	RawQuery     string         // without the "?"
	Host         string         // of the Host header
	RemoteAddr   netip.AddrPort // the client's: behind a trusted proxy what that says; the port is 0 when it came by X-Forwarded-For
	TLS          bool
	Subprotocols []string // offered, in the client's order

	head   string // the whole head, from the request line to the empty line
	fields []field
}

// field is one header field as positions in Request.head.
type field struct{ name, value span }

type span struct{ from, to int }

func (r *Request) text(s span) string { return r.head[s.from:s.to] }

// Header is the value of the first header field of that name (any case), or "".
func (r *Request) Header(name string) string {
	for _, f := range r.fields {
		if strings.EqualFold(r.text(f.name), name) {
			return r.text(f.value)
		}
	}
	return ""
}

// Headers are the values of all header fields of that name (any case).
func (r *Request) Headers(name string) []string {
	var values []string
	for _, f := range r.fields {
		if strings.EqualFold(r.text(f.name), name) {
			values = append(values, r.text(f.value))
		}
	}
	return values
}

// Origin is the Origin header; empty when there is none (not a browser).
func (r *Request) Origin() string { return r.Header("Origin") }

// Cookie is the value of the named cookie, without surrounding quotes; ok is false when there is none.
func (r *Request) Cookie(name string) (value string, ok bool) {
	for rest := r.Header("Cookie"); rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, ";")
		n, v, found := strings.Cut(strings.TrimSpace(pair), "=")
		if found && n == name {
			if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
				v = v[1 : len(v)-1]
			}
			return v, true
		}
	}
	return "", false
}

// Bearer is the token of "Authorization: Bearer <token>", or "".
func (r *Request) Bearer() string {
	scheme, token, _ := strings.Cut(r.Header("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// Query parses RawQuery; pairs that don't parse are left out.
func (r *Request) Query() url.Values {
	q, err := url.ParseQuery(r.RawQuery)
	if err != nil && q == nil {
		return url.Values{}
	}
	return q
}
