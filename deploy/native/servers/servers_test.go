package servers

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheServersThatMostTestsUse(t *testing.T) {
	addrs := append(CQL(t), Redis(t)...)
	for _, s := range []S3Endpoint{S3(t), Versity(t)} {
		require.NotEmpty(t, s.AccessKey)
		require.NotEmpty(t, s.SecretKey)
		addrs = append(addrs, strings.TrimPrefix(s.URL, "http://"))
	}
	if os.Getenv("MURRE_TEST_CQL") == "" && os.Getenv("MURRE_TEST_REDIS") == "" {
		require.Len(t, addrs, 1+6+2)
	}
	for _, a := range addrs {
		c, err := net.DialTimeout("tcp", a, 5*time.Second)
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	// Asked again, the same.
	require.Equal(t, CQL(t), CQL(t))

	// Given back, they run on: other processes use them.
	had := Redis(t)
	require.NoError(t, Release())
	require.Equal(t, had, Redis(t))
}

func TestServersElsewhere(t *testing.T) {
	t.Setenv("MURRE_TEST_CQL", "h1:9042,h2:9042")
	t.Setenv("MURRE_TEST_REDIS", "r1:6379")
	t.Setenv("MURRE_TEST_S3", "https://key:secret@s:9000")
	require.Equal(t, []string{"h1:9042", "h2:9042"}, CQL(t))
	require.Equal(t, []string{"r1:6379"}, Redis(t))
	require.Equal(t, S3Endpoint{URL: "https://s:9000", AccessKey: "key", SecretKey: "secret"}, S3(t))
}

func TestSetsDoNotMeet(t *testing.T) {
	subnets, dirs := map[string]bool{}, map[string]bool{}
	for _, set := range sets {
		o, err := options(set)
		require.NoError(t, err)
		subnets[o.Subnet], dirs[o.Dir] = true, true
	}
	require.Len(t, subnets, len(sets))
	require.Len(t, dirs, len(sets))
	_, err := options("oracle")
	require.ErrorContains(t, err, "oracle")
}

func TestUniqueNames(t *testing.T) {
	require.Regexp(t, `^t[0-9x]+$`, Unique("t"))
	require.NotEqual(t, Unique("t"), Unique("t"))
	require.Less(t, len(Unique("conformance")), 48, "the longest name of a keyspace")
}
