package netns_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/loadtest/netns"
)

const setting = "/proc/sys/net/ipv4/tcp_syn_retries"

// What runs inside sees a loopback that is up, no connection of the machine's, a table of the size asked for, and the machine's
// settings; outside nothing is changed.
func TestStart(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a listener of the machine's
	require.NoError(t, err)
	defer l.Close()
	was, err := os.ReadFile(setting)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(setting, []byte("4"), 0o644))
	defer func() { require.NoError(t, os.WriteFile(setting, was, 0o644)) }()
	before, after := namespaces(t), ""

	var out bytes.Buffer
	cmd := exec.Command("sh", "-c", `cat /proc/sys/net/ipv4/tcp_ehash_entries `+setting+`; tail -n +2 /proc/net/tcp | wc -l; ip -o link show lo; echo $MURRE_OWN_NETWORK`)
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, netns.Start(cmd, 1000))
	require.NoError(t, cmd.Wait(), out.String())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 5, out.String())
	if _, err := os.Stat("/proc/sys/net/ipv4/tcp_child_ehash_entries"); err == nil {
		require.Equal(t, "1024", lines[0])
	}
	require.Equal(t, "4", lines[1])
	require.Equal(t, "0", lines[2], "the machine's connections are seen")
	require.Contains(t, lines[3], ",UP,")
	require.Equal(t, "1", lines[4])

	after = namespaces(t)
	require.Equal(t, before, after, "this process isn't where it was")
	require.False(t, netns.Inside())
	b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_child_ehash_entries")
	if err == nil {
		require.Equal(t, "0", strings.TrimSpace(string(b)))
	}
}

func namespaces(t *testing.T) string {
	t.Helper()
	s, err := os.Readlink("/proc/thread-self/ns/net")
	require.NoError(t, err)
	return s
}

func TestABadProgramIsTold(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	require.ErrorContains(t, netns.Start(exec.Command("/does/not/exist"), 0), "network namespace")
}
