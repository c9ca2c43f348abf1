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

// reading is what a server's clock said when we asked it.
type reading struct {
	addr      string
	offset    time.Duration // ahead of ours
	roundTrip time.Duration
}

// judgeClocks compares servers' clocks with ours. An answer takes time, and the server's moment lies somewhere in it: only
// what that doesn't explain counts.
func judgeClocks(r *Report, area string, readings []reading) {
	const advice = "let chrony or another NTP client set the clocks of all machines; a gateway that is off by more than 1 s makes no ids"
	good, widest := 0, time.Duration(0)
	for _, c := range readings {
		certain := c.offset.Abs() - c.roundTrip/2
		switch {
		case certain > offsetFail:
			r.add(area, "clock", Fail, advice, "%s is %s", c.addr, ahead(c.offset))
		case certain > offsetWarn:
			r.add(area, "clock", Warn, advice, "%s is %s", c.addr, ahead(c.offset))
		default:
			good++
			widest = max(widest, c.offset.Abs()+c.roundTrip/2)
		}
	}
	if good > 0 {
		r.add(area, "clock", OK, "", "%s within %s of ours", plural(good, "node"), widest.Round(10*time.Microsecond))
	}
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
