package auth

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Origins says which web origins may act with a user's cookie: the server's own, and those configured.
type Origins struct {
	allowed map[string]bool
}

// NewOrigins reads configured origins of the form scheme://host[:port].
func NewOrigins(configured []string) (Origins, error) {
	o := Origins{allowed: make(map[string]bool, len(configured))}
	for _, c := range configured {
		u, err := url.Parse(c)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
			return Origins{}, fmt.Errorf("allowed origin %q: want scheme://host[:port]", c)
		}
		o.allowed[strings.ToLower(u.Scheme+"://"+u.Host)] = true
	}
	return o, nil
}

// Allowed reports whether a request to host with this Origin header may use a cookie. An empty Origin is not a browser's
// cross-site request of an unsafe method (those always send one), but is refused too where a cookie is all there is: the
// caller says so with needed. "null" is never allowed.
//
// The scheme of the own origin isn't compared: behind a TLS balancer the server sees plain HTTP.
func (o Origins) Allowed(origin, host string, needed bool) bool {
	if origin == "" {
		return !needed
	}
	origin = strings.ToLower(origin)
	if o.allowed[origin] {
		return true
	}
	rest, ok := strings.CutPrefix(origin, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(origin, "http://")
	}
	return ok && rest != "" && rest == strings.ToLower(host)
}

// Configured reports whether an origin is one of those configured, and so may read answers too (CORS).
func (o Origins) Configured(origin string) bool { return o.allowed[strings.ToLower(origin)] }

// Cookie makes the session cookie; an empty token makes one that deletes it.
func Cookie(token string, secure bool) *http.Cookie {
	c := &http.Cookie{
		Name: CookieName, Value: token, Path: "/", HttpOnly: true, Secure: secure,
		SameSite: http.SameSiteLaxMode, MaxAge: int(SessionLife / time.Second),
	}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}
