package auth

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
)

func TestCredential(t *testing.T) {
	for _, c := range []struct {
		name, authorization, cookie string
		protocols                   []string
		want                        string
		from                        Source
	}{
		{"nothing", "", "", nil, "", FromNothing},
		{"bearer", "Bearer abc", "murre_session=xyz", nil, "abc", FromBearer},
		{"bearer in small letters", "bearer abc", "", nil, "abc", FromBearer},
		{"basic is no reason to look further", "Basic abc", "murre_session=xyz", nil, "", FromBearer},
		{"subprotocol", "", "murre_session=xyz", []string{"murre.json.v1", "murre.bearer.abc"}, "abc", FromSubprotocol},
		{"cookie", "", "a=b; murre_session=xyz; c=d", nil, "xyz", FromCookie},
		{"first cookie", "", "murre_session=one; murre_session=two", nil, "one", FromCookie},
		{"another cookie's end", "", "not_murre_session=xyz", nil, "", FromNothing},
		{"quoted", "", `murre_session="xyz"`, nil, "xyz", FromCookie},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, from := Credential(c.authorization, c.cookie, c.protocols)
			require.Equal(t, c.want, got)
			require.Equal(t, c.from, from)
		})
	}
}

func TestOrigins(t *testing.T) {
	o, err := NewOrigins([]string{"https://app.example", "http://localhost:5173"})
	require.NoError(t, err)
	for _, c := range []struct {
		origin, host string
		needed, want bool
	}{
		{"https://chat.example", "chat.example", true, true},
		{"http://chat.example:8080", "chat.example:8080", true, true},
		{"https://CHAT.example", "chat.example", true, true},
		{"https://app.example", "chat.example", true, true},
		{"http://localhost:5173", "chat.example", true, true},
		{"https://app.example.evil", "chat.example", true, false},
		{"https://evil.example", "chat.example", true, false},
		{"http://app.example", "chat.example", true, false},
		{"null", "chat.example", true, false},
		{"null", "null", true, false},
		{"https://chat.example:444", "chat.example", true, false},
		{"", "chat.example", true, false},
		{"", "chat.example", false, true},
		{"https://", "", true, false},
		{"file://chat.example", "chat.example", true, false},
	} {
		require.Equal(t, c.want, o.Allowed(c.origin, c.host, c.needed), "%+v", c)
	}
	for _, bad := range []string{"app.example", "https://app.example/", "https://a@b", "ftp://x", "*"} {
		_, err := NewOrigins([]string{bad})
		require.Error(t, err, bad)
	}
}

func FuzzCredential(f *testing.F) {
	f.Add("Bearer x", "murre_session=y; a=b", "murre.bearer.z")
	f.Add("", `murre_session="`, "")
	f.Add("Bearer", ";;;=;", "murre.bearer.")
	f.Fuzz(func(t *testing.T, authorization, cookie, protocol string) {
		got, from := Credential(authorization, cookie, []string{protocol})
		if from == FromNothing && got != "" {
			t.Fatalf("%q from nothing", got)
		}
		// What net/http reads as our cookie we read the same.
		if authorization == "" && !strings.HasPrefix(protocol, SubprotocolPrefix) {
			r := http.Request{Header: http.Header{"Cookie": {cookie}}}
			if c, err := r.Cookie(CookieName); err == nil && c.Value != "" && got == "" {
				t.Fatalf("missed the cookie %q in %q", c.Value, cookie)
			}
		}
		if isSessionToken(got) && len(got) != tokenLen {
			t.Fatalf("%q is no token", got)
		}
	})
}

// FuzzToken: no text but what was signed or minted authenticates, and none makes the checks fail in another way.
func FuzzToken(f *testing.F) {
	s := newStack(f, func(o *Options) { o.JWT = hs256(f) })
	_, token := s.account(f, "alice")
	now := s.clock.now()
	f.Add(token)
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiYSJdfQ.eyJzdWIiOiJ4IiwiZXhwIjoxZTMwfQ.AAAA")
	f.Fuzz(func(t *testing.T, in string) {
		if in == token {
			return
		}
		if _, err := s.Authenticate(context.Background(), in); chat.CodeOf(err) != chat.CodeUnauthenticated {
			t.Fatalf("%q: %v", in, err)
		}
		if _, err := s.o.JWT.verify(context.Background(), in, now); chat.CodeOf(err) != chat.CodeUnauthenticated {
			t.Fatalf("%q: %v", in, err)
		}
	})
}

func FuzzPHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5aw")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$$")
	f.Fuzz(func(t *testing.T, in string) {
		p, err := parsePHC(in)
		if err == nil && (p.memory > maxArgonMemory || p.time > maxArgonTime || p.lanes == 0 || len(p.key) < 16) {
			t.Fatalf("%q: %+v", in, p)
		}
	})
}

func FuzzJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		keys, err := parseJWKS(in)
		if err == nil && len(keys) == 0 {
			t.Fatal("no keys and no error")
		}
		for _, k := range keys {
			if _, err := algOf(k); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestCookie(t *testing.T) {
	c := Cookie("tok", true).String()
	for _, want := range []string{"murre_session=tok", "Path=/", "HttpOnly", "Secure", "SameSite=Lax", "Max-Age=2592000"} {
		require.Contains(t, c, want)
	}
	require.Contains(t, Cookie("", false).String(), "Max-Age=0")
	require.NotContains(t, Cookie("", false).String(), "Secure")
}

func TestDisplayNames(t *testing.T) {
	for in, ok := range map[string]bool{"Zoë 🦜": true, " ": false, "a\nb": false, strings.Repeat("x", 65): false, "\xff": false} {
		got, err := validDisplayName(in)
		require.Equal(t, ok, err == nil, in)
		require.True(t, utf8.ValidString(got))
	}
}
