package auth

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// tokenPrefix marks our tokens, for people, for secret scanners, and to tell them from JWTs.
const tokenPrefix = "murre_"

// tokenLen is the exact length of a token: the prefix and 32 bytes in base64url without padding.
const tokenLen = len(tokenPrefix) + 43

// SubprotocolPrefix precedes a bearer token among the WebSocket subprotocols a browser offers.
const SubprotocolPrefix = "murre.bearer."

// CookieName is the name of the session cookie.
const CookieName = "murre_session"

// newToken makes a token. crypto/rand.Read never fails.
func newToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// isSessionToken reports whether s has the shape of a token of ours.
func isSessionToken(s string) bool {
	if len(s) != tokenLen || !strings.HasPrefix(s, tokenPrefix) {
		return false
	}
	var b [32]byte
	n, err := base64.RawURLEncoding.Strict().Decode(b[:], []byte(s[len(tokenPrefix):]))
	return err == nil && n == 32
}

// Source says where a credential was found; only a cookie is sent by browsers on their own, and needs the Origin checked.
type Source uint8

// The sources, in the order they are looked at.
const (
	FromNothing Source = iota
	FromBearer
	FromSubprotocol
	FromCookie
)

// Credential picks the credential out of a request's headers: Authorization first, then the subprotocols, then the cookie.
// authorization and cookie are the values of these headers (several Cookie headers joined by "; "). An Authorization
// header that is not a bearer token gives FromBearer and "", which Authenticate refuses.
func Credential(authorization, cookie string, subprotocols []string) (string, Source) {
	if authorization != "" {
		scheme, token, ok := strings.Cut(authorization, " ")
		if !ok || !strings.EqualFold(scheme, "Bearer") {
			return "", FromBearer
		}
		return strings.TrimSpace(token), FromBearer
	}
	for _, p := range subprotocols {
		if token, ok := strings.CutPrefix(p, SubprotocolPrefix); ok {
			return token, FromSubprotocol
		}
	}
	if token := cookieValue(cookie, CookieName); token != "" {
		return token, FromCookie
	}
	return "", FromNothing
}

// cookieValue returns the first value of a name in a Cookie header.
func cookieValue(header, name string) string {
	for header != "" {
		var part string
		part, header, _ = strings.Cut(header, ";")
		k, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if ok && k == name {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}
