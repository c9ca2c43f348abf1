package auth

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/murre-chat/murre/pkg/chat"
)

// leeway forgives clocks of issuers that differ from ours, on nbf, iat and exp.
const leeway = 5 * time.Second

// minSecret is the shortest HS256 secret accepted, in bytes: as long as the hash (RFC 7518, 3.2).
const minSecret = 32

// maxSubject is the longest subject accepted, in bytes.
const maxSubject = 255

// Verifier checks external JWTs: one kind of key, one set of algorithms, fixed when it is made. The token's own alg
// chooses nothing.
type Verifier struct {
	issuer, audience string
	algs             []string
	key              any // []byte, ed25519.PublicKey or *rsa.PublicKey; nil with jwks
	jwks             *keySet
}

// Expect pins what a token must say. Empty fields are not compared, save that exp and sub are always required.
type Expect struct {
	Issuer   string
	Audience string
}

// NewHS256 checks tokens signed with a shared secret of at least 32 bytes. White space around it is cut off.
func NewHS256(secret []byte, e Expect) (*Verifier, error) {
	secret = []byte(strings.TrimSpace(string(secret)))
	if len(secret) < minSecret {
		return nil, fmt.Errorf("the JWT secret has %d bytes, want at least %d", len(secret), minSecret)
	}
	return &Verifier{issuer: e.Issuer, audience: e.Audience, algs: []string{"HS256"}, key: secret}, nil
}

// NewPublicKey checks tokens against a PEM public key (or certificate): Ed25519 (EdDSA) or RSA of at least 2048 bits (RS256).
func NewPublicKey(pemText []byte, e Expect) (*Verifier, error) {
	block, _ := pem.Decode(pemText)
	if block == nil {
		return nil, errors.New("the JWT public key is not PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = cert.PublicKey
		}
	default:
		return nil, fmt.Errorf("the JWT public key file holds a %q, want a PUBLIC KEY", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("read JWT public key: %w", err)
	}
	alg, err := algOf(key)
	if err != nil {
		return nil, err
	}
	return &Verifier{issuer: e.Issuer, audience: e.Audience, algs: []string{alg}, key: key}, nil
}

// NewJWKS checks tokens against the keys at a fixed URL (https, or http for tests and private networks). Only RS256 and
// EdDSA are accepted. Nothing is fetched before Run or the first token.
func NewJWKS(url string, e Expect) (*Verifier, error) {
	ks, err := newKeySet(url)
	if err != nil {
		return nil, err
	}
	return &Verifier{issuer: e.Issuer, audience: e.Audience, algs: []string{"RS256", "EdDSA"}, jwks: ks}, nil
}

func algOf(key any) (string, error) {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return "EdDSA", nil
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return "", fmt.Errorf("an RSA key of %d bits, want at least 2048", k.N.BitLen())
		}
		return "RS256", nil
	}
	return "", fmt.Errorf("a key of type %T, want Ed25519 or RSA", key)
}

func (v *Verifier) run(ctx context.Context, log *slog.Logger) {
	if v.jwks != nil {
		v.jwks.run(ctx, log)
	}
}

// claims are those read from a token.
type claims struct {
	jwt.RegisteredClaims
	PreferredUsername string `json:"preferred_username"`
	Name              string `json:"name"`

	expires int64 // Unix milliseconds
}

// external is the name that a subject has among all issuers' subjects.
func (c claims) external() string {
	if c.Issuer == "" {
		return c.Subject
	}
	return c.Issuer + "#" + c.Subject
}

// errKeys marks a failure to get keys, which is not the token's fault.
var errKeys = errors.New("keys unavailable")

func (v *Verifier) verify(ctx context.Context, token string, now time.Time) (claims, error) {
	var c claims
	opts := []jwt.ParserOption{
		jwt.WithValidMethods(v.algs), jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(func() time.Time { return now }),
	}
	if v.issuer != "" {
		opts = append(opts, jwt.WithIssuer(v.issuer))
	}
	if v.audience != "" {
		opts = append(opts, jwt.WithAudience(v.audience))
	}
	_, err := jwt.NewParser(opts...).ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		if _, ok := t.Header["crit"]; ok {
			return nil, errors.New("critical headers are not understood")
		}
		if v.jwks == nil {
			return v.key, nil
		}
		kid, _ := t.Header["kid"].(string)
		return v.jwks.lookup(ctx, kid, t.Method.Alg(), now)
	})
	switch {
	case errors.Is(err, errKeys):
		return c, chat.Unavailable("get JWT keys", err)
	case errors.Is(err, jwt.ErrTokenExpired):
		return c, &chat.Error{Code: chat.CodeUnauthenticated, Message: "the token has expired", Cause: err}
	case err != nil:
		return c, &chat.Error{Code: chat.CodeUnauthenticated, Message: "the token is not valid", Cause: err}
	case c.Subject == "" || len(c.Subject) > maxSubject:
		return c, unauthenticated("the token's subject is missing or too long")
	}
	c.expires = c.ExpiresAt.UnixMilli()
	return c, nil
}

// keyFits reports whether a key may be used with an algorithm; the other way round is how forgeries work.
func keyFits(key crypto.PublicKey, alg string) bool {
	a, err := algOf(key)
	return err == nil && a == alg
}
