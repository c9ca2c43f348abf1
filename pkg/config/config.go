package config

import (
	"net/netip"
	"time"

	"github.com/spf13/pflag"
)

// Config is everything that can be set about a server.
type Config struct {
	// Serving.
	Listen         string         // host:port of the one port: WebSocket, REST, page
	Admin          string         // host:port of the admin port; "off": none
	Data           string         // the data folder
	Name           string         // of this process among the gateways; empty: host name and port
	TLSCert        string         // PEM file; with TLSKey: serve TLS
	TLSKey         string         // PEM file
	TrustedProxies []netip.Prefix // who may name the client's address (PROXY protocol v2, X-Forwarded-For)
	AllowedOrigins []string       // origins beside our own that browsers with a cookie may come from
	Demo           bool           // make two demo logins and print how to chat
	DrainTimeout   time.Duration  // how long a stop may take

	// Sockets.
	Transport        string        // epoll, goroutine or auto
	Loops            int           // epoll loops; 0: one a core
	MaxConnections   int           // 0: what the descriptor limit allows
	MaxMessage       Bytes         // a WebSocket message whole, all fragments together
	MaxFragments     int           // of one message
	MaxControlRate   int           // control frames a second and connection
	OutboundQueue    Bytes         // a connection's queue; over it the connection is behind
	HandshakeTimeout time.Duration // from accept to the end of the upgrade request
	Heartbeat        time.Duration // silence before the server pings; closed after two missed

	// Delivery.
	VerifyInterval time.Duration // at most one log re-read a connection and interval; 0: as the store asks for
	VerifyIdle     time.Duration // the same for idle connected users

	// Accounts.
	Registration  string // open or closed
	JWTSecretFile string // HS256
	JWTPublicKey  string // EdDSA or RS256, PEM file
	JWTJWKS       string // URL
	JWTIssuer     string
	JWTAudience   string

	// Limits on people.
	Rates    Rates
	MaxMedia Bytes // one upload

	// The store.
	Store       string // embedded, or cql://…
	Redis       string // redis://…; with a cql store
	S3          string // http(s)://…; with a cql store
	StoreCache  Bytes
	StoreMemory Bytes // memtable

	// For tests of what must go wrong.
	ClockOffset  time.Duration // the wall clock is off by it
	FaultBusDrop int           // one envelope in so many is lost; 0: none

	// The process.
	MemoryLimit Bytes  // soft limit of the Go heap; 0: none
	GOGC        int    // garbage collector's target, percent
	LogLevel    string // debug, info, warn or error
	LogFormat   string // text or json
}

// Default returns the options as they are when nothing is set.
func Default() *Config {
	return &Config{
		Listen:           "127.0.0.1:8080",
		Admin:            "127.0.0.1:9090",
		Data:             "murre-data",
		DrainTimeout:     20 * time.Second,
		Transport:        "auto",
		MaxMessage:       128 << 10,
		MaxFragments:     16,
		MaxControlRate:   10,
		OutboundQueue:    256 << 10,
		HandshakeTimeout: 5 * time.Second,
		Heartbeat:        55 * time.Second,
		VerifyIdle:       30 * time.Minute,
		Registration:     "open",
		Rates:            DefaultRates(),
		MaxMedia:         100 << 20,
		Store:            "embedded",
		StoreCache:       64 << 20,
		StoreMemory:      64 << 20,
		GOGC:             100,
		LogLevel:         "info",
		LogFormat:        "text",
	}
}

// Flags registers every option, bound to c and with c's values as defaults. The --config flag names the file.
func (c *Config) Flags(fs *pflag.FlagSet) {
	fs.SortFlags = false
	fs.String("config", "", "YAML file with options; its keys are the flags' names (also MURRE_CONFIG)")

	fs.StringVar(&c.Listen, "listen", c.Listen, "host:port to serve WebSocket, REST and docs on")
	fs.StringVar(&c.Admin, "admin", c.Admin, "host:port for metrics, health, pprof and murre's own commands; 'off' for none")
	fs.StringVar(&c.Data, "data", c.Data, "data folder; made when missing, used by one process at a time")
	fs.StringVar(&c.Name, "name", c.Name, "name of this gateway among the others, one for each; empty: the host's name and the port")
	fs.StringVar(&c.TLSCert, "tls-cert", c.TLSCert, "PEM file with the certificate chain; with --tls-key, serve TLS")
	fs.StringVar(&c.TLSKey, "tls-key", c.TLSKey, "PEM file with the private key")
	fs.Var((*prefixes)(&c.TrustedProxies), "trusted-proxies", "networks whose PROXY protocol v2 or X-Forwarded-For is believed, e.g. 10.0.0.0/8,fd00::/8")
	fs.Var((*list)(&c.AllowedOrigins), "allowed-origins", "origins beside our own that browsers may come from with a cookie, e.g. https://chat.example.org")
	fs.BoolVar(&c.Demo, "demo", c.Demo, "make the logins alice and bob, and print how to chat; for trying out only")
	fs.DurationVar(&c.DrainTimeout, "drain-timeout", c.DrainTimeout, "how long a stop may take: clients are told to reconnect in waves, then everything is flushed")

	fs.StringVar(&c.Transport, "transport", c.Transport, "epoll (Linux), goroutine (any system, TLS), or auto")
	fs.IntVar(&c.Loops, "loops", c.Loops, "epoll loops; 0: one a core")
	fs.IntVar(&c.MaxConnections, "max-connections", c.MaxConnections, "connections held at once; 0: what the descriptor limit allows")
	fs.Var(&c.MaxMessage, "max-message", "largest WebSocket message, all fragments together")
	fs.IntVar(&c.MaxFragments, "max-fragments", c.MaxFragments, "fragments a WebSocket message may come in")
	fs.IntVar(&c.MaxControlRate, "max-control-rate", c.MaxControlRate, "control frames a second and connection")
	fs.Var(&c.OutboundQueue, "outbound-queue", "bytes queued for a connection before it counts as behind and resumes from the log")
	fs.DurationVar(&c.HandshakeTimeout, "handshake-timeout", c.HandshakeTimeout, "time a client has to finish its upgrade request")
	fs.DurationVar(&c.Heartbeat, "heartbeat", c.Heartbeat, "silence after which the server pings; two missed pings close")

	fs.DurationVar(&c.VerifyInterval, "verify-interval", c.VerifyInterval, "after activity, re-read an active user's log at most this often; 0: 1s on the embedded store, 30s on a cluster")
	fs.DurationVar(&c.VerifyIdle, "verify-idle", c.VerifyIdle, "re-read the log of idle connected users this often")

	fs.StringVar(&c.Registration, "registration", c.Registration, "open: anyone may register; closed: only murre user add")
	fs.StringVar(&c.JWTSecretFile, "jwt-secret-file", c.JWTSecretFile, "accept HS256 tokens signed with this file's content")
	fs.StringVar(&c.JWTPublicKey, "jwt-public-key", c.JWTPublicKey, "accept EdDSA or RS256 tokens of this PEM public key")
	fs.StringVar(&c.JWTJWKS, "jwt-jwks", c.JWTJWKS, "accept tokens signed by the keys at this URL")
	fs.StringVar(&c.JWTIssuer, "jwt-issuer", c.JWTIssuer, "required issuer (iss) of external tokens")
	fs.StringVar(&c.JWTAudience, "jwt-audience", c.JWTAudience, "required audience (aud) of external tokens")

	fs.Var(&c.Rates, "rate", "rate limit, may be repeated: NAME=COUNT/WINDOW, NAME=off, or off for none at all; names: "+rateNames())
	fs.Var(&c.MaxMedia, "max-media", "largest upload")

	fs.StringVar(&c.Store, "store", c.Store, "embedded: in the data folder; or cql://[user:password@]host,host/keyspace[?dc=NAME] for ScyllaDB or Cassandra")
	fs.StringVar(&c.Redis, "redis", c.Redis, "redis://[user:password@]host:port,host:port of a Redis Cluster; with a cql store")
	fs.StringVar(&c.S3, "s3", c.S3, "http(s)://key:secret@host:port/bucket[?region=R&public=URL] for media; with a cql store")
	fs.Var(&c.StoreCache, "store-cache", "block cache of the embedded store")
	fs.Var(&c.StoreMemory, "store-memory", "write buffer of the embedded store")

	fs.DurationVar(&c.ClockOffset, "clock-offset", c.ClockOffset, "for tests: the wall clock is off by this")
	fs.IntVar(&c.FaultBusDrop, "fault-bus-drop", c.FaultBusDrop, "for tests: lose one envelope in so many between gateways")
	for _, hidden := range []string{"clock-offset", "fault-bus-drop"} {
		fs.Lookup(hidden).Hidden = true
	}

	fs.Var(&c.MemoryLimit, "memory-limit", "soft limit of the process's heap; 0: none")
	fs.IntVar(&c.GOGC, "gogc", c.GOGC, "heap growth in percent before the garbage collector runs")
	fs.StringVar(&c.LogLevel, "log-level", c.LogLevel, "debug, info, warn or error")
	fs.StringVar(&c.LogFormat, "log-format", c.LogFormat, "text or json")
}
