package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"time"
)

// Bounds of clocks. A gateway is unready beyond a second of offset to its store.
const (
	offsetWarn = 200 * time.Millisecond
	offsetFail = time.Second
)

// defaultTimeout bounds one question to one server.
const defaultTimeout = 5 * time.Second

// CQL says where the store is.
type CQL struct {
	Hosts    []string // host or host:port
	Keyspace string
	DC       string
	Username string
	Password string
	TLS      *tls.Config
	Schema   int // the version this program needs
}

// Redis says where the Redis Cluster is.
type Redis struct {
	Addrs    []string // host:port
	Username string
	Password string
	TLS      *tls.Config
}

// S3 says where media are.
type S3 struct {
	Endpoint  string // host:port
	Secure    bool
	AccessKey string
	SecretKey string
	Bucket    string
	Region    string
	Public    string // http(s)://host[:port]
	Direct    bool   // clients are sent there
}

// Options say what to examine. Servers that are nil aren't.
type Options struct {
	CQL   *CQL
	Redis *Redis
	S3    *S3

	Listen         string   // host:port
	MaxConnections int      // 0: what the descriptor limit allows
	Data           string   // of the embedded store; "" with a cluster
	TLSCert        string   // PEM file, or ""
	TLSKey         string   // PEM file
	Origins        []string // of browsers, beside our own
	Name           string   // of this gateway
	Timeout        time.Duration
}

// Examine makes all checks. Servers are asked at the same time, each question within Options.Timeout (5 s).
func Examine(ctx context.Context, o Options) *Report {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	areas := []func(context.Context, *Options, *Report){machine, files}
	if o.CQL != nil {
		areas = append(areas, cqlServers)
	}
	if o.Redis != nil {
		areas = append(areas, redisServers)
	}
	if o.S3 != nil {
		areas = append(areas, objectStore)
	}
	reports := make([]Report, len(areas))
	var wg sync.WaitGroup
	for i, examine := range areas {
		wg.Go(func() { examine(ctx, &o, &reports[i]) })
	}
	wg.Wait()
	all := &Report{}
	for i := range reports {
		all.Findings = append(all.Findings, reports[i].Findings...)
	}
	return all
}

// judgeClock compares a server's clock with ours. An answer takes time, and the server's moment lies somewhere in it: only
// what that doesn't explain counts.
func judgeClock(r *Report, area, check string, offset, roundTrip time.Duration) {
	certain := offset.Abs() - roundTrip/2
	v := OK
	switch {
	case certain > offsetFail:
		v = Fail
	case certain > offsetWarn:
		v = Warn
	}
	r.add(area, check, v, "let chrony or another NTP client set the clocks of all machines; a gateway that is off by more than 1 s makes no ids",
		"%s (±%s)", ahead(offset), (roundTrip / 2).Round(100*time.Microsecond))
}

func ahead(d time.Duration) string {
	switch d = d.Round(time.Millisecond); {
	case d > 0:
		return fmt.Sprintf("%s ahead of ours", d)
	case d < 0:
		return fmt.Sprintf("%s behind ours", -d)
	}
	return "as ours"
}
