package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Validate checks every option by itself and against the others. The error joins all that is wrong; each line names
// its option.
func (c *Config) Validate() error {
	var errs []error
	bad := func(option, format string, args ...any) {
		errs = append(errs, fmt.Errorf("--%s: %s", option, fmt.Sprintf(format, args...)))
	}
	oneOf := func(option, value string, among ...string) {
		if !slices.Contains(among, value) {
			bad(option, "%q is none of %s", value, strings.Join(among, ", "))
		}
	}
	within := func(option string, d, low, high time.Duration) {
		if d < low || d > high {
			bad(option, "%s is not between %s and %s", d, low, high)
		}
	}
	size := func(option string, b, low, high Bytes) {
		if b < low || b > high {
			bad(option, "%s is not between %s and %s", b.String(), low.String(), high.String())
		}
	}
	number := func(option string, n, low, high int) {
		if n < low || n > high {
			bad(option, "%d is not between %d and %d", n, low, high)
		}
	}
	address := func(option, a string) {
		_, port, err := net.SplitHostPort(a)
		if err == nil {
			if n, perr := strconv.Atoi(port); perr != nil || n < 0 || n > 65535 {
				err = errors.New("bad port")
			}
		}
		if err != nil {
			bad(option, "%q is not host:port", a)
		}
	}

	address("listen", c.Listen)
	if c.Admin != "off" {
		address("admin", c.Admin)
		if c.Admin == c.Listen && !strings.HasSuffix(c.Admin, ":0") {
			bad("admin", "must not be the same as --listen (%s): what it shows is not for everyone", c.Listen)
		}
	}
	if c.Data == "" {
		bad("data", "must name a folder")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("tls-cert", "and --tls-key go together")
	}
	for _, o := range c.AllowedOrigins {
		if u, err := url.Parse(o); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Path != "" {
			bad("allowed-origins", "%q is not an origin like https://chat.example.org", o)
		}
	}
	within("drain-timeout", c.DrainTimeout, time.Second, 10*time.Minute)

	oneOf("transport", c.Transport, "auto", "epoll", "goroutine")
	if c.Transport == "epoll" && c.TLSCert != "" {
		bad("transport", "epoll can't speak TLS: use goroutine or auto with --tls-cert, or end TLS in front of murre")
	}
	number("loops", c.Loops, 0, 1024)
	number("max-connections", c.MaxConnections, 0, 1<<26)
	size("max-message", c.MaxMessage, 1<<10, 64<<20)
	number("max-fragments", c.MaxFragments, 1, 1<<20)
	number("max-control-rate", c.MaxControlRate, 1, 1<<20)
	size("outbound-queue", c.OutboundQueue, 16<<10, 1<<30)
	within("handshake-timeout", c.HandshakeTimeout, 100*time.Millisecond, time.Minute)
	within("heartbeat", c.Heartbeat, time.Second, time.Hour)
	if c.VerifyInterval != 0 {
		within("verify-interval", c.VerifyInterval, 100*time.Millisecond, time.Hour)
	}
	within("verify-idle", c.VerifyIdle, c.VerifyInterval, 24*time.Hour)

	oneOf("registration", c.Registration, "open", "closed")
	var keys []string
	for _, k := range []struct{ option, value string }{
		{"jwt-secret-file", c.JWTSecretFile}, {"jwt-public-key", c.JWTPublicKey}, {"jwt-jwks", c.JWTJWKS},
	} {
		if k.value != "" {
			keys = append(keys, "--"+k.option)
		}
	}
	if len(keys) > 1 {
		bad(strings.TrimPrefix(keys[0], "--"), "only one source of keys for external tokens is possible, not %s", strings.Join(keys, " and "))
	}
	if len(keys) == 0 && c.JWTIssuer != "" {
		bad("jwt-issuer", "needs --jwt-secret-file, --jwt-public-key or --jwt-jwks")
	}
	if len(keys) == 0 && c.JWTAudience != "" {
		bad("jwt-audience", "needs --jwt-secret-file, --jwt-public-key or --jwt-jwks")
	}
	if c.JWTJWKS != "" {
		if u, err := url.Parse(c.JWTJWKS); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			bad("jwt-jwks", "%q is not a URL", c.JWTJWKS)
		}
	}
	size("max-media", c.MaxMedia, 1<<10, 1<<40)

	switch {
	case c.Store == "embedded":
		if c.Redis != "" {
			bad("redis", "goes with a cql store; the embedded one runs alone")
		}
		if c.S3 != "" {
			bad("s3", "goes with a cql store; the embedded one keeps media in its folder")
		}
	case strings.HasPrefix(c.Store, "cql://"):
		if c.Redis == "" {
			bad("redis", "is missing: gateways over a cql store find each other through a Redis Cluster")
		}
		if c.S3 == "" {
			bad("s3", "is missing: gateways over a cql store share their media through S3")
		}
	default:
		bad("store", "%q is neither embedded nor cql://host,host/keyspace", c.Store)
	}
	if len(c.Name) > 64 || strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-") != "" {
		bad("name", "%q: at most 64 letters, digits and . _ : -", c.Name)
	}
	within("clock-offset", c.ClockOffset, -24*time.Hour, 24*time.Hour)
	number("fault-bus-drop", c.FaultBusDrop, 0, 1<<30)
	size("store-cache", c.StoreCache, 1<<20, 1<<40)
	size("store-memory", c.StoreMemory, 1<<20, 4<<30)
	if c.MemoryLimit != 0 {
		size("memory-limit", c.MemoryLimit, 64<<20, 1<<50)
	}
	number("gogc", c.GOGC, 10, 1000)
	oneOf("log-level", c.LogLevel, "debug", "info", "warn", "error")
	oneOf("log-format", c.LogFormat, "text", "json")
	return errors.Join(errs...)
}
