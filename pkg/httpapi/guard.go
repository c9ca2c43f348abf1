package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/chat"
)

var problemGoType = reflect.TypeFor[Problem]()

// apiPolicy is the content security policy of answers that are no pages.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'"

// guarded sets the security headers of every answer and turns a panic into an answer.
func (a *API) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Resource-Policy", "same-site")
		h.Set("Content-Security-Policy", apiPolicy)
		if strings.HasPrefix(r.URL.Path, base) {
			h.Set("Cache-Control", "no-store")
			if a.crossOrigin(h, r) {
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		if secure(r) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		defer func() {
			x := recover()
			if x == nil {
				return
			}
			if err, ok := x.(error); ok && (errors.Is(err, http.ErrAbortHandler) || gone(err)) {
				panic(http.ErrAbortHandler) // the client is gone: net/http ends the connection without a word
			}
			a.o.Log.Error("a request panicked", "method", r.Method, "path", r.URL.Path, "panic", fmt.Sprint(x), "stack", string(debug.Stack()))
			problemOf(errors.New("panic")).write(w)
		}()
		next.ServeHTTP(w, a.resolved(r))
	})
}

// crossOrigin lets pages of the configured origins read answers, with the cookie, and no others. It reports whether the
// request was only a browser's question whether it may ask (a preflight).
func (a *API) crossOrigin(h http.Header, r *http.Request) (answered bool) {
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !a.o.Origins.Configured(origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", "Content-Disposition, Content-Range, ETag, Retry-After, Upload-Length, Upload-Offset")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Range, Content-Type, If-None-Match, Range")
	h.Set("Access-Control-Max-Age", "600")
	return true
}

// resolved is the request with its client's address in RemoteAddr. Each request of a balancer's connection is somebody
// else's.
func (a *API) resolved(r *http.Request) *http.Request {
	forwarded := r.Header.Values("X-Forwarded-For")
	if a.o.ClientAddr == nil || len(forwarded) == 0 {
		return r
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r
	}
	r = r.WithContext(r.Context()) // a copy
	r.RemoteAddr = a.o.ClientAddr(remote, forwarded).String()
	return r
}

// gone reports whether an error says that the client's connection ended.
func gone(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled)
}

// secure reports whether the client speaks TLS, to us or to the balancer before us. A client that lies about it gets a
// cookie it can't send; that is all.
func secure(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

func unsafe(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

func foreignOrigin() error {
	return &chat.Error{Code: chat.CodeForbidden, Message: "this origin may not act with your cookie"}
}

func cookieHeader(r *http.Request) string { return strings.Join(r.Header.Values("Cookie"), "; ") }

// allow counts one action against a limit.
func (a *API) allow(ctx context.Context, l admit.Limit, key [16]byte) error {
	wait, err := a.o.Limiter.Allow(ctx, l, key)
	if err != nil {
		return chat.Unavailable("count against a rate limit", err)
	}
	if wait > 0 {
		return &chat.Error{Code: chat.CodeRateLimited, Message: "too many requests, slow down", RetryAfter: max(wait, time.Millisecond)}
	}
	return nil
}

// address is the client's, as the connection's owner found it.
func address(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.IPv6Unspecified()
	}
	return ap.Addr().Unmap()
}

// addressKey is the key of an address's limit. One household or server has a whole IPv6 /64.
func addressKey(r *http.Request) [16]byte {
	ip := address(r)
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			ip = p.Addr()
		}
	}
	return ip.As16()
}

// client describes the caller's program for its list of sign-ins.
func client(r *http.Request) auth.Client {
	return auth.Client{UserAgent: r.UserAgent(), Address: address(r).String()}
}
