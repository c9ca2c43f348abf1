package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
)

// Bytes is a size, written as a number with an optional unit: 131072, 128KiB, 64MiB, 2GiB (KB, MB, GB are powers of ten).
type Bytes int64

var units = []struct {
	name string
	size int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// Set implements pflag.Value.
func (b *Bytes) Set(s string) error {
	text, size := strings.TrimSpace(s), int64(1)
	for _, u := range units {
		if n, ok := cutSuffixFold(text, u.name); ok {
			text, size = strings.TrimSpace(n), u.size
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/size {
		return fmt.Errorf("%q is not a size like 131072, 128KiB or 2GiB", s)
	}
	*b = Bytes(n * size)
	return nil
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s[:len(s)-len(suffix)], true
	}
	return s, false
}

// String implements pflag.Value.
func (b *Bytes) String() string {
	n := int64(*b)
	for _, u := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// Type implements pflag.Value.
func (b *Bytes) Type() string { return "size" }

// prefixes is a list of networks; a bare address is a network of one.
type prefixes []netip.Prefix

func (p *prefixes) Set(s string) error {
	var out []netip.Prefix
	for _, part := range split(s) {
		n, err := netip.ParsePrefix(part)
		if err != nil {
			a, aerr := netip.ParseAddr(part)
			if aerr != nil {
				return fmt.Errorf("%q is not a network like 10.0.0.0/8 or an address", part)
			}
			n = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, n.Masked())
	}
	*p = out
	return nil
}

func (p *prefixes) String() string {
	parts := make([]string, len(*p))
	for i, n := range *p {
		parts[i] = n.String()
	}
	return strings.Join(parts, ",")
}

func (p *prefixes) Type() string { return "networks" }

// list is a comma-separated list.
type list []string

func (l *list) Set(s string) error { *l = split(s); return nil }
func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Type() string       { return "list" }

func split(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// Rates are the rate limits by admit.Limit. Setting one leaves the others as they are.
type Rates struct {
	limits [admit.NumLimits]admit.Rate
	given  []string // what Set was called with, in order
}

// DefaultRates returns the limits of the protocol.
func DefaultRates() Rates {
	var r Rates
	r.limits[admit.LimitMessage] = admit.Rate{Count: 60, Window: time.Minute}
	r.limits[admit.LimitConversation] = admit.Rate{Count: 600, Window: time.Minute}
	r.limits[admit.LimitTyping] = admit.Rate{Count: 10, Window: 10 * time.Second}
	r.limits[admit.LimitConnect] = admit.Rate{Count: 5, Window: time.Minute}
	r.limits[admit.LimitConnectAddress] = admit.Rate{Count: 300, Window: time.Minute}
	r.limits[admit.LimitAuthAddress] = admit.Rate{Count: 20, Window: time.Minute}
	r.limits[admit.LimitOther] = admit.Rate{Count: 100, Window: time.Minute}
	return r
}

// Limits returns the limits; a Count of 0 is unlimited.
func (r *Rates) Limits() [admit.NumLimits]admit.Rate { return r.limits }

// Set implements pflag.Value: "message=60/1m", several with commas, "message=off", or "off" for all.
func (r *Rates) Set(s string) error {
	parts := split(s)
	if len(parts) == 0 {
		return errors.New("want NAME=COUNT/WINDOW or off")
	}
	for _, part := range parts {
		if err := r.set(part); err != nil {
			return err
		}
	}
	r.given = append(r.given, s)
	return nil
}

func (r *Rates) set(part string) error {
	if part == "off" {
		r.limits = [admit.NumLimits]admit.Rate{}
		return nil
	}
	name, value, ok := strings.Cut(part, "=")
	i := slices.Index(admit.Names[:], name)
	if !ok || i < 0 {
		return fmt.Errorf("%q: want NAME=COUNT/WINDOW with a NAME among %s", part, rateNames())
	}
	if value == "off" {
		r.limits[i] = admit.Rate{}
		return nil
	}
	count, window, ok := strings.Cut(value, "/")
	if !ok {
		return fmt.Errorf("%q: want NAME=COUNT/WINDOW, e.g. %s=60/1m", part, name)
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 {
		return fmt.Errorf("%q: the count must be a whole number above 0", part)
	}
	d, err := time.ParseDuration(window)
	if err != nil || d < time.Second || d > 24*time.Hour {
		return fmt.Errorf("%q: the window must be a time between 1s and 24h", part)
	}
	r.limits[i] = admit.Rate{Count: n, Window: d}
	return nil
}

// String implements pflag.Value.
func (r *Rates) String() string {
	parts := make([]string, 0, len(r.limits))
	off := true
	for i, l := range r.limits {
		if l.Count == 0 {
			parts = append(parts, admit.Names[i]+"=off")
			continue
		}
		off = false
		parts = append(parts, fmt.Sprintf("%s=%d/%s", admit.Names[i], l.Count, short(l.Window)))
	}
	if off {
		return "off"
	}
	return strings.Join(parts, ",")
}

// Type implements pflag.Value.
func (r *Rates) Type() string { return "rate" }

func rateNames() string { return strings.Join(admit.Names[:], ", ") }

// short prints 1m instead of 1m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
