package cqlstore

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

// Parse reads the address of a cluster:
//
//	cql://[user:password@]host[:port],host[:port]/keyspace?dc=NAME
//
// Further parameters: timeout (5s), conns (connections a node), consistency (local_quorum, quorum), serial (local, global).
// Errors don't show the password.
func Parse(text string) (Options, error) {
	var o Options
	rest, ok := strings.CutPrefix(text, "cql://")
	if !ok {
		return o, errors.New(`does not begin with "cql://"`)
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, keyspace, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(hosts, '@'); at >= 0 {
		user, err := url.Parse("cql://" + hosts[:at] + "@x")
		if err != nil || user.User == nil {
			return o, errors.New("user and password must be percent-encoded, as user:password@")
		}
		o.Username = user.User.Username()
		o.Password, _ = user.User.Password()
		hosts = hosts[at+1:]
	}
	for _, h := range strings.Split(hosts, ",") {
		if h == "" {
			return o, errors.New("no hosts: cql://host,host/keyspace")
		}
		if host, port, err := net.SplitHostPort(h); err == nil {
			if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
				return o, fmt.Errorf("bad host %q", h)
			}
		} else if strings.ContainsAny(h, " :@") && net.ParseIP(h) == nil {
			return o, fmt.Errorf("bad host %q", h)
		}
		o.Hosts = append(o.Hosts, h)
	}
	if !validKeyspace(keyspace) {
		return o, fmt.Errorf("%q is no keyspace: cql://host,host/keyspace", keyspace)
	}
	o.Keyspace = keyspace
	params, err := url.ParseQuery(query)
	if err != nil {
		return o, fmt.Errorf("bad parameters: %w", err)
	}
	for name, values := range params {
		if len(values) != 1 {
			return o, fmt.Errorf("parameter %s is given %d times", name, len(values))
		}
		if err := o.set(name, values[0]); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (o *Options) set(name, v string) (err error) {
	bad := func() error { return fmt.Errorf("parameter %s: bad value %q", name, v) }
	switch name {
	case "dc":
		o.DC = v
	case "timeout":
		if o.Timeout, err = time.ParseDuration(v); err != nil || o.Timeout < 100*time.Millisecond || o.Timeout > time.Minute {
			return bad()
		}
	case "conns":
		if o.Conns, err = strconv.Atoi(v); err != nil || o.Conns < 1 || o.Conns > 256 {
			return bad()
		}
	case "consistency":
		switch v {
		case "local_quorum":
		case "quorum":
			o.Consistency = Quorum
		default:
			return bad()
		}
	case "serial":
		if !slices.Contains([]string{"local", "global"}, v) {
			return bad()
		}
		o.GlobalSerial = v == "global"
	default:
		return fmt.Errorf("unknown parameter %q", name)
	}
	return nil
}
