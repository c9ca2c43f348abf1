package rediscluster

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Parse reads the address of a cluster: redis://[user:password@]host:port,host:port, or rediss:// for TLS. Errors don't show
// the password.
func Parse(text string) (Options, error) {
	var o Options
	rest, ok := strings.CutPrefix(text, "redis://")
	if !ok {
		if rest, ok = strings.CutPrefix(text, "rediss://"); !ok {
			return o, errors.New(`does not begin with "redis://" or "rediss://"`)
		}
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	rest = strings.TrimSuffix(rest, "/")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, err := url.Parse("redis://" + rest[:at] + "@x")
		if err != nil || user.User == nil {
			return o, errors.New("user and password must be percent-encoded, as user:password@")
		}
		o.Username = user.User.Username()
		o.Password, _ = user.User.Password()
		rest = rest[at+1:]
	}
	for _, addr := range strings.Split(rest, ",") {
		host, port, err := net.SplitHostPort(addr)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil || host == "" || strings.ContainsAny(addr, "/?") {
			return o, fmt.Errorf("%q is not host:port: redis://host:port,host:port", addr)
		}
		o.Addrs = append(o.Addrs, addr)
	}
	return o, nil
}
