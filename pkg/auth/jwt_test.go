package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

func sign(t testing.TB, m jwt.SigningMethod, key any, header map[string]any, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(m, c)
	for k, v := range header {
		token.Header[k] = v
	}
	s, err := token.SignedString(key)
	require.NoError(t, err)
	return s
}

func good(now time.Time) jwt.MapClaims {
	return jwt.MapClaims{"sub": "u-1", "exp": now.Add(time.Hour).Unix(), "iss": "https://id.example", "aud": "murre", "preferred_username": "Alice@example.org"}
}

func with(c jwt.MapClaims, k string, v any) jwt.MapClaims {
	if v == nil {
		delete(c, k)
	} else {
		c[k] = v
	}
	return c
}

func hs256(t testing.TB) *Verifier {
	v, err := NewHS256(secret, Expect{Issuer: "https://id.example", Audience: "murre"})
	require.NoError(t, err)
	return v
}

func TestExternal(t *testing.T) {
	s, ctx := newStack(t, func(o *Options) { o.JWT = hs256(t) }), context.Background()
	now := s.clock.now()
	taken, _ := s.account(t, "bob")

	id, err := s.Authenticate(ctx, sign(t, jwt.SigningMethodHS256, secret, nil, good(now)))
	require.NoError(t, err)
	require.Equal(t, [32]byte{}, id.Session)
	require.Equal(t, now.Add(time.Hour).Unix()*1000, id.Expires)
	u, err := s.User(ctx, id.User)
	require.NoError(t, err)
	require.Equal(t, "alice", u.Username)
	again, err := s.Authenticate(ctx, sign(t, jwt.SigningMethodHS256, secret, nil, good(now)))
	require.NoError(t, err)
	require.Equal(t, id.User, again.User)

	// A name that somebody has is not theirs to take.
	other, err := s.Authenticate(ctx, sign(t, jwt.SigningMethodHS256, secret, nil, with(with(good(now), "sub", "u-2"), "preferred_username", "bob")))
	require.NoError(t, err)
	require.NotEqual(t, taken.ID, other.User)
	u, err = s.User(ctx, other.User)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(u.Username, "bob_"), u.Username)
	_, _, err = s.Login(ctx, u.Username, "", Client{})
	require.Error(t, err)
	_, _, err = s.Login(ctx, u.Username, password, Client{})
	requireCode(t, chat.CodeUnauthenticated, err)
	requireCode(t, chat.CodeForbidden, s.ChangePassword(ctx, other.User, [32]byte{}, "x", "0123456789"))
	requireCode(t, chat.CodeForbidden, s.Logout(ctx, other))
}

func TestExternalRaces(t *testing.T) {
	s := newStack(t, func(o *Options) { o.JWT = hs256(t) })
	token := sign(t, jwt.SigningMethodHS256, secret, nil, good(s.clock.now()))
	ids := make([]chat.UserID, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			id, err := s.Authenticate(context.Background(), token)
			if err != nil {
				t.Error(err)
			}
			ids[i] = id.User
		})
	}
	wg.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id, "one subject is one user")
	}
}

func TestUsernames(t *testing.T) {
	for _, c := range []struct{ preferred, subject, want string }{
		{"Alice", "x", "alice"}, {"a.b+c@example.org", "x", "a.bc"}, {"", "user-77", "user_77"}, {"ü", "é", "user_"},
		{"", "auth0|5f7c8ec7c33c6c004bbafe82", "auth05f7c8ec7c33c6c004bbafe82"}, {strings.Repeat("x", 99), "s", strings.Repeat("x", 32)},
	} {
		got := usernames(claims{RegisteredClaims: jwt.RegisteredClaims{Subject: c.subject}, PreferredUsername: c.preferred}, c.subject)
		require.True(t, strings.HasPrefix(got[0], c.want), "%q for %q", got[0], c)
		for _, name := range got {
			require.Empty(t, chat.ValidUsername(name), name)
		}
	}
}

// TestForged: what a token says about itself never decides how it is checked.
func TestForged(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	der := func(k any) []byte {
		b, err := x509.MarshalPKIXPublicKey(k)
		require.NoError(t, err)
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: b})
	}
	expect := Expect{Issuer: "https://id.example", Audience: "murre"}
	rsaPEM, edPEM := der(&rsaKey.PublicKey), der(pub)
	rs, err := NewPublicKey(rsaPEM, expect)
	require.NoError(t, err)
	ed, err := NewPublicKey(edPEM, expect)
	require.NoError(t, err)
	hs := hs256(t)
	now := time.Now()
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, good(now)).SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	enc := base64.RawURLEncoding
	hsGood := sign(t, jwt.SigningMethodHS256, secret, nil, good(now))
	parts := strings.Split(hsGood, ".")
	claimsJSON, err := json.Marshal(with(good(now), "sub", "admin"))
	require.NoError(t, err)

	for _, c := range []struct {
		name, token string
		v           *Verifier
		ok          bool
	}{
		{"good HS256", hsGood, hs, true},
		{"good RS256", sign(t, jwt.SigningMethodRS256, rsaKey, nil, good(now)), rs, true},
		{"good EdDSA", sign(t, jwt.SigningMethodEdDSA, priv, nil, good(now)), ed, true},
		{"alg none", none, hs, false},
		{"alg none to a public key", none, rs, false},
		{"alg None", enc.EncodeToString([]byte(`{"alg":"None","typ":"JWT"}`)) + "." + parts[1] + ".", hs, false},
		{"HS256 signed with the RSA public key", sign(t, jwt.SigningMethodHS256, rsaPEM, nil, good(now)), rs, false},
		{"HS256 signed with the Ed25519 public key", sign(t, jwt.SigningMethodHS256, []byte(pub), nil, good(now)), ed, false},
		{"HS384", sign(t, jwt.SigningMethodHS384, secret, nil, good(now)), hs, false},
		{"RS512", sign(t, jwt.SigningMethodRS512, rsaKey, nil, good(now)), rs, false},
		{"PS256", sign(t, jwt.SigningMethodPS256, rsaKey, nil, good(now)), rs, false},
		{"another secret", sign(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), nil, good(now)), hs, false},
		{"claims exchanged", parts[0] + "." + enc.EncodeToString(claimsJSON) + "." + parts[2], hs, false},
		{"signature cut", parts[0] + "." + parts[1] + ".", hs, false},
		{"padded base64", hsGood + "=", hs, false},
		{"expired", sign(t, jwt.SigningMethodHS256, secret, nil, with(good(now), "exp", now.Add(-time.Minute).Unix())), hs, false},
		{"no exp", sign(t, jwt.SigningMethodHS256, secret, nil, with(good(now), "exp", nil)), hs, false},
		{"not yet", sign(t, jwt.SigningMethodHS256, secret, nil, with(good(now), "nbf", now.Add(time.Minute).Unix())), hs, false},
		{"other issuer", sign(t, jwt.SigningMethodHS256, secret, nil, with(good(now), "iss", "https://evil.example")), hs, false},
		{"no issuer", sign(t, jwt.SigningMethodHS256, secret, nil, with(good(now), "iss", nil)), hs, false},
		{"other audience", sign(t, jwt.SigningMethodHS256, secret, nil, with(good(now), "aud", "other")), hs, false},
		{"no subject", sign(t, jwt.SigningMethodHS256, secret, nil, with(good(now), "sub", nil)), hs, false},
		{"long subject", sign(t, jwt.SigningMethodHS256, secret, nil, with(good(now), "sub", strings.Repeat("x", 256))), hs, false},
		{"critical header", sign(t, jwt.SigningMethodHS256, secret, map[string]any{"crit": []string{"b64"}, "b64": false}, good(now)), hs, false},
		{"key in the header", sign(t, jwt.SigningMethodHS256, []byte("mine"), map[string]any{"jwk": map[string]string{"kty": "oct", "k": "bWluZQ"}}, good(now)), hs, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.v.verify(context.Background(), c.token, now)
			if c.ok {
				require.NoError(t, err)
				require.Equal(t, "u-1", got.Subject)
				return
			}
			requireCode(t, chat.CodeUnauthenticated, err)
		})
	}
}

func TestKeysRefused(t *testing.T) {
	_, err := NewHS256([]byte("  too short for HS256 \n"), Expect{})
	require.Error(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	b, err := x509.MarshalPKIXPublicKey(&weak.PublicKey)
	require.NoError(t, err)
	_, err = NewPublicKey(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: b}), Expect{})
	require.Error(t, err)
	_, err = NewPublicKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}), Expect{})
	require.Error(t, err)
	for _, u := range []string{"", "file:///etc/passwd", "https://user:pw@host/", "https://"} {
		_, err = NewJWKS(u, Expect{})
		require.Error(t, err, u)
	}
}

// jwks is an issuer's key server.
type jwks struct {
	*httptest.Server
	fetches atomic.Int64
	mu      sync.Mutex
	body    string
}

func newJWKSServer(t *testing.T) *jwks {
	j := &jwks{}
	j.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		j.fetches.Add(1)
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.body == "" {
			w.WriteHeader(500)
			return
		}
		fmt.Fprint(w, j.body)
	}))
	t.Cleanup(j.Close)
	return j
}

func (j *jwks) set(keys ...map[string]string) {
	b, _ := json.Marshal(map[string]any{"keys": keys})
	j.mu.Lock()
	defer j.mu.Unlock()
	j.body = string(b)
}

func edJWK(kid string, pub ed25519.PublicKey) map[string]string {
	return map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "x": base64.RawURLEncoding.EncodeToString(pub)}
}

func rsaJWK(kid string, pub *rsa.PublicKey) map[string]string {
	enc := base64.RawURLEncoding
	return map[string]string{"kty": "RSA", "kid": kid, "alg": "RS256", "n": enc.EncodeToString(pub.N.Bytes()), "e": enc.EncodeToString(big.NewInt(int64(pub.E)).Bytes())}
}

func TestJWKS(t *testing.T) {
	server := newJWKSServer(t)
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	v, err := NewJWKS(server.URL, Expect{Issuer: "https://id.example", Audience: "murre"})
	require.NoError(t, err)
	ctx, now := context.Background(), time.Now()
	ed := func(kid string) string {
		return sign(t, jwt.SigningMethodEdDSA, priv, map[string]any{"kid": kid}, good(now))
	}

	_, err = v.verify(ctx, ed("one"), now)
	requireCode(t, chat.CodeUnavailable, err)
	server.set(edJWK("one", pub))
	now = now.Add(jwksMinGap)
	_, err = v.verify(ctx, ed("one"), now)
	require.NoError(t, err)
	before := server.fetches.Load()
	for range 100 {
		_, err = v.verify(ctx, ed("unknown"), now)
		requireCode(t, chat.CodeUnauthenticated, err)
	}
	require.LessOrEqual(t, server.fetches.Load(), before+1, "unknown keys don't make a fetch each")

	server.set(edJWK("one", pub), rsaJWK("two", &rsaKey.PublicKey))
	now = now.Add(jwksMinGap)
	_, err = v.verify(ctx, sign(t, jwt.SigningMethodRS256, rsaKey, map[string]any{"kid": "two"}, good(now)), now)
	require.NoError(t, err, "a new key is found")
	_, err = v.verify(ctx, sign(t, jwt.SigningMethodRS256, rsaKey, map[string]any{"kid": "one"}, good(now)), now)
	requireCode(t, chat.CodeUnauthenticated, err)
	_, err = v.verify(ctx, sign(t, jwt.SigningMethodEdDSA, priv, nil, good(now)), now)
	require.NoError(t, err, "without kid the one key that fits")
	_, err = v.verify(ctx, sign(t, jwt.SigningMethodHS256, []byte(pub), map[string]any{"kid": "one"}, good(now)), now)
	requireCode(t, chat.CodeUnauthenticated, err)

	server.set()
	_, err = v.verify(ctx, ed("one"), now.Add(time.Hour))
	require.NoError(t, err, "an issuer that is away for an hour signs nobody out")
	_, err = v.verify(ctx, ed("one"), now.Add(jwksMaxAge+time.Minute))
	require.Error(t, err)
}

func TestJWKSIsNotRedirected(t *testing.T) {
	inner := newJWKSServer(t)
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	inner.set(edJWK("one", pub))
	outer := httptest.NewServer(http.RedirectHandler(inner.URL, http.StatusFound))
	defer outer.Close()
	v, err := NewJWKS(outer.URL, Expect{})
	require.NoError(t, err)
	_, err = v.verify(context.Background(), sign(t, jwt.SigningMethodEdDSA, priv, map[string]any{"kid": "one"}, good(time.Now())), time.Now())
	requireCode(t, chat.CodeUnavailable, err)
	require.Zero(t, inner.fetches.Load())
}

func BenchmarkJWT(b *testing.B) {
	s, ctx := newStack(b, func(o *Options) { o.JWT = hs256(b) }), context.Background()
	var tokens []string
	for i := range 1000 {
		c := with(with(good(s.clock.now()), "sub", fmt.Sprint("user-", i)), "preferred_username", nil)
		tokens = append(tokens, sign(b, jwt.SigningMethodHS256, secret, nil, c))
		_, err := s.Authenticate(ctx, tokens[i])
		require.NoError(b, err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := s.Authenticate(ctx, tokens[i%len(tokens)]); err != nil {
			b.Fatal(err)
		}
	}
}
