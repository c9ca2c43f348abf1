package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const (
	littleRoom = 1 << 30               // bytes
	slowSync   = 20 * time.Millisecond // of one small write
	verySlow   = 100 * time.Millisecond
	renewal    = 14 * 24 * time.Hour
	syncs      = 9
)

// files looks at the data folder, the certificate and the port.
func files(ctx context.Context, o *Options, r *Report) {
	if o.Data != "" {
		folder(o.Data, r)
	}
	if o.TLSCert != "" {
		certificate(o, r, time.Now())
	}
	if o.Listen != "" {
		port(ctx, o.Listen, r)
	}
}

// folder tries the data folder, or the nearest folder above one that serve has still to make.
func folder(dir string, r *Report) {
	at := dir
	for {
		if st, err := os.Stat(at); err == nil {
			if !st.IsDir() {
				r.add(areaData, "data folder", Fail, "name a folder with --data", "%s is no folder", at)
				return
			}
			break
		}
		if up := filepath.Dir(at); up != at {
			at = up
			continue
		}
		break
	}
	took, err := syncTime(at)
	if err != nil {
		r.add(areaData, "data folder", Fail, "let the server's user write there, or name another with --data", "%s: %s", dir, bareFile(err))
		return
	}
	found := dir
	if at != dir {
		found += " (to be made)"
	}
	r.add(areaData, "data folder", OK, "", "%s", found)
	v := OK
	switch {
	case took > verySlow:
		v = Fail
	case took > slowSync:
		v = Warn
	}
	r.add(areaData, "sync", v, "every message is on disk before it is acknowledged: use a disk that syncs in a few milliseconds", "%s", took.Round(10*time.Microsecond))
	if n, ok := freeBytes(at); ok {
		v := OK
		if n < littleRoom {
			v = Warn
		}
		r.add(areaData, "free space", v, "make room: near the end murre refuses sends", "%s", bytesText(n))
	}
}

// syncTime is how long it takes to make a small write durable: the middle one of a few.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, ".murre-doctor-*")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer func() { _ = f.Close() }()
	took := make([]time.Duration, syncs)
	block := make([]byte, 4096)
	for i := range took {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[syncs/2], nil
}

// bareFile takes off the name of a file that nobody made.
func bareFile(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func certificate(o *Options, r *Report, now time.Time) {
	pair, err := tls.LoadX509KeyPair(o.TLSCert, o.TLSKey)
	if err != nil {
		r.add(areaData, "certificate", Fail, "--tls-cert and --tls-key must be a chain and its key, in PEM, readable for the server's user", "%s", err)
		return
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		r.add(areaData, "certificate", Fail, "renew it", "%s", err)
		return
	}
	v := OK
	switch left := leaf.NotAfter.Sub(now); {
	case left <= 0 || now.Before(leaf.NotBefore):
		v = Fail
	case left < renewal:
		v = Warn
	}
	r.add(areaData, "certificate", v, "renew it", "holds until %s", leaf.NotAfter.UTC().Format(time.DateOnly))
}

func port(ctx context.Context, listen string, r *Report) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", listen)
	switch {
	case err == nil:
		_ = l.Close() // it was only tried
		r.add(areaData, "port", OK, "", "%s is free", listen)
	case errors.Is(err, syscall.EADDRINUSE):
		r.add(areaData, "port", Info, "", "%s is in use, by a running murre perhaps", listen)
	default:
		r.add(areaData, "port", Fail, "--listen must name an address of this machine, and below 1024 the user needs CAP_NET_BIND_SERVICE", "%s: %s", listen, brief(err))
	}
}
