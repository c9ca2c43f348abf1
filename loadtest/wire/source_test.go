package wire

import (
	"net/netip"
	"testing"
)

// TestSource: connections begin at addresses of the networks given, never at a network's own or its last.
func TestSource(t *testing.T) {
	remote, loopback := netip.MustParseAddr("10.9.9.9"), netip.MustParseAddr("127.0.0.1")
	l := &Loop{}
	if _, ok := l.source(remote); ok {
		t.Fatal("a source for a server elsewhere, though none was given")
	}
	if a, ok := l.source(loopback); !ok || a[0] != 127 {
		t.Fatalf("from %v to the loopback", a)
	}
	l.From([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/29"), netip.MustParsePrefix("10.2.0.7/32")})
	seen := map[netip.Addr]int{}
	for range 24 {
		a, ok := l.source(remote)
		if !ok {
			t.Fatal("no source")
		}
		seen[netip.AddrFrom4(a)]++
	}
	if len(seen) != 7 || seen[netip.MustParseAddr("10.2.0.7")] != 12 || seen[netip.MustParseAddr("10.1.0.0")]+seen[netip.MustParseAddr("10.1.0.7")] != 0 {
		t.Fatalf("%v", seen)
	}
}
