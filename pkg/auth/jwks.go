package auth

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Bounds of fetching keys.
const (
	jwksTimeout = 5 * time.Second
	jwksMaxBody = 1 << 20
	jwksMaxKeys = 100
	// jwksRefresh is how often keys are fetched anew without being asked.
	jwksRefresh = 10 * time.Minute
	// jwksMinGap: an unknown kid makes a fetch at most this often, whatever tokens come.
	jwksMinGap = 10 * time.Second
	// jwksMaxAge: keys not confirmed for so long are no longer trusted.
	jwksMaxAge = 24 * time.Hour
)

// keySet holds the keys of one fixed JWKS URL. Redirects are not followed.
type keySet struct {
	url    string
	client *http.Client
	fetch  sync.Mutex // held while fetching, so that one fetch serves all who wait; taken before mu

	mu      sync.RWMutex
	keys    map[string]crypto.PublicKey // by kid; guarded by mu, replaced whole
	fetched time.Time                   // guarded by mu
	tried   time.Time                   // guarded by mu
}

func newKeySet(raw string) (*keySet, error) {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("JWKS URL %q: want https://host/path", raw)
	}
	return &keySet{url: raw, client: &http.Client{
		Timeout:       jwksTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("redirects are not followed") },
	}}, nil
}

// run keeps the keys fresh until ctx ends.
func (k *keySet) run(ctx context.Context, log *slog.Logger) {
	t := time.NewTicker(jwksRefresh)
	defer t.Stop()
	for {
		if err := k.refresh(ctx, time.Now(), true); err != nil && ctx.Err() == nil {
			log.Warn("the JWKS could not be fetched", "err", err)
		}
		select {
		case <-ctx.Done():
			k.client.CloseIdleConnections()
			return
		case <-t.C:
		}
	}
}

// lookup returns the key of a kid for an algorithm, after a fetch when it is unknown. A token without kid is accepted
// when there is exactly one key that fits.
func (k *keySet) lookup(ctx context.Context, kid, alg string, now time.Time) (crypto.PublicKey, error) {
	for try := 0; ; try++ {
		key, known, fresh := k.find(kid, alg, now)
		switch {
		case key != nil && fresh:
			return key, nil
		case known && fresh:
			return nil, errors.New("the key is not for this algorithm")
		case try > 0 && fresh:
			return nil, errors.New("unknown key")
		case try > 0:
			return nil, errKeys
		}
		if err := k.refresh(ctx, now, false); err != nil {
			return nil, fmt.Errorf("%w: %w", errKeys, err)
		}
	}
}

func (k *keySet) find(kid, alg string, now time.Time) (key crypto.PublicKey, known, fresh bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	fresh = !k.fetched.IsZero() && now.Sub(k.fetched) < jwksMaxAge
	if kid != "" {
		key, known = k.keys[kid]
		if known && !keyFits(key, alg) {
			key = nil
		}
		return key, known, fresh
	}
	for _, c := range k.keys {
		if keyFits(c, alg) {
			if key != nil {
				return nil, true, fresh // two would do: the token must name one
			}
			key = c
		}
	}
	return key, key != nil, fresh
}

// refresh fetches the keys unless that was tried within jwksMinGap; always ignores the gap.
func (k *keySet) refresh(ctx context.Context, now time.Time, always bool) error {
	k.fetch.Lock()
	defer k.fetch.Unlock()
	k.mu.RLock()
	recent := !k.tried.IsZero() && now.Sub(k.tried) < jwksMinGap
	k.mu.RUnlock()
	if recent && !always {
		return nil
	}
	// One caller fetches for all: its going away must not fail the others.
	keys, err := k.get(context.WithoutCancel(ctx))
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tried = now
	if err != nil {
		return err
	}
	k.keys, k.fetched = keys, now
	return nil
}

func (k *keySet) get(ctx context.Context) (map[string]crypto.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, jwksTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch JWKS: %w", err)
	}
	res, err := k.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch JWKS: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch JWKS: status %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, jwksMaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("fetch JWKS: %w", err)
	}
	if len(body) > jwksMaxBody {
		return nil, errors.New("fetch JWKS: too large")
	}
	return parseJWKS(body)
}

// jwk is one key as RFC 7517 writes it.
type jwk struct {
	Kty, Kid, Use, Alg, Crv, N, E, X string
}

// parseJWKS keeps the signing keys it understands, RSA and Ed25519, and skips others.
func parseJWKS(body []byte) (map[string]crypto.PublicKey, error) {
	var set struct{ Keys []jwk }
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("parse JWKS: %w", err)
	}
	if len(set.Keys) > jwksMaxKeys {
		return nil, fmt.Errorf("parse JWKS: more than %d keys", jwksMaxKeys)
	}
	keys := make(map[string]crypto.PublicKey)
	for i, j := range set.Keys {
		if j.Use != "" && j.Use != "sig" {
			continue
		}
		key, ok := j.key()
		if !ok {
			continue
		}
		alg, err := algOf(key)
		if err != nil || (j.Alg != "" && j.Alg != alg) {
			continue
		}
		if j.Kid == "" {
			j.Kid = fmt.Sprintf("#%d", i) // found by algorithm only
		}
		keys[j.Kid] = key
	}
	if len(keys) == 0 {
		return nil, errors.New("parse JWKS: no RSA or Ed25519 signing key")
	}
	return keys, nil
}

func (j jwk) key() (crypto.PublicKey, bool) {
	enc := base64.RawURLEncoding
	switch {
	case j.Kty == "RSA":
		n, err := enc.DecodeString(j.N)
		if err != nil || len(n) > 1024 {
			return nil, false
		}
		e, err := enc.DecodeString(j.E)
		if err != nil || len(e) == 0 || len(e) > 4 {
			return nil, false
		}
		exp := int(new(big.Int).SetBytes(e).Int64())
		if exp < 3 || exp&1 == 0 {
			return nil, false
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: exp}, true
	case j.Kty == "OKP" && j.Crv == "Ed25519":
		x, err := enc.DecodeString(j.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return nil, false
		}
		return ed25519.PublicKey(x), true
	}
	return nil, false
}
