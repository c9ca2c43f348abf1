package webui

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// hostName is a Host header that may be quoted in a policy: nothing in it ends a source or a directive.
var hostName = regexp.MustCompile(`^[A-Za-z0-9._-]+(:[0-9]+)?$|^\[[0-9A-Fa-f:.]+\](:[0-9]+)?$`)

// policy is the content security policy: nothing inline, nothing from elsewhere but media where they are kept, and the
// WebSocket, which not every browser counts as 'self'.
func policy(host, media string) string {
	connect := "'self'"
	if hostName.MatchString(host) {
		connect += " ws://" + host + " wss://" + host
	}
	if media != "" {
		connect += " " + media
		media = " " + media
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"connect-src " + connect,
		"img-src 'self' blob:" + media,
		"media-src 'self' blob:" + media,
		"font-src 'self'",
		"worker-src 'self'",
		"manifest-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}

// permissions: the client asks for none of these, so a script that got in can't either. Notifications and storage have no
// entry here; the clipboard is the reader's to use.
const permissions = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()"

func (c *Client) guard(h http.Header, r *http.Request) {
	h.Set("Content-Security-Policy", policy(r.Host, c.media))
	h.Set("Permissions-Policy", permissions)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// origin is the scheme and host of a URL, as a source of a policy; "" where there is none.
func origin(address string) (string, bool) {
	if address == "" {
		return "", true
	}
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || !hostName.MatchString(u.Host) {
		return "", false
	}
	return u.Scheme + "://" + u.Host, true
}
