package loadtest

import (
	"bytes"
	"compress/flate"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWording: texts are of the length asked for, the same for a seed, and no filler that compresses to nothing.
func TestWording(t *testing.T) {
	w := newWording(7)
	var all, packed bytes.Buffer
	for range 1000 {
		text := w.text(textBytes)
		require.Len(t, text, textBytes)
		all.WriteString(text)
	}
	require.Equal(t, all.String()[:textBytes], newWording(7).text(textBytes))
	z, err := flate.NewWriter(&packed, flate.BestSpeed)
	require.NoError(t, err)
	_, err = z.Write(all.Bytes())
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.Greater(t, packed.Len(), all.Len()/4)
}

// TestSpentSince: what a silent stretch would have taken is taken off, by its length, and nothing goes below zero.
func TestSpentSince(t *testing.T) {
	at := time.Now()
	before := spent{at: at, gateways: 10 * time.Second, wire: 1000, counts: counters{"a": 5, "b": 2}}
	after := spent{at: at.Add(20 * time.Second), gateways: 16 * time.Second, store: time.Second, wire: 5000, keys: 70, counts: counters{"a": 25, "b": 3}}
	idle := spent{at: time.Time{}.Add(10 * time.Second), gateways: time.Second, store: time.Minute, wire: 500, counts: counters{"a": 4, "b": 9}}
	d := after.since(before, nil)
	require.Equal(t, 6*time.Second, d.gateways)
	require.EqualValues(t, 4000, d.wire)
	d = after.since(before, &idle)
	require.Equal(t, 4*time.Second, d.gateways)
	require.Zero(t, d.store)
	require.EqualValues(t, 3000, d.wire)
	require.EqualValues(t, 70, d.keys)
	require.Equal(t, counters{"a": 12, "b": 0}, d.counts)
}

// TestTableBytes: files count for the table whose folder they are in, snapshots and indexes too.
func TestTableBytes(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"claims-01ab/a-Data.db": 100, "claims-01ab/a-Index.db": 10, "inbox-77/x/b.db": 7} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600))
	}
	sum, err := tableBytes(dir)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"claims": 110, "inbox": 7}, sum)
	_, err = tableBytes(filepath.Join(dir, "nothing"))
	require.Error(t, err)
}

// TestIOBytes: what goes through sockets is counted.
func TestIOBytes(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp4", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	before, err := ioBytes(selfPID())
	require.NoError(t, err)
	_, err = c.Write(make([]byte, 50_000))
	require.NoError(t, err)
	after, err := ioBytes(selfPID())
	require.NoError(t, err)
	require.GreaterOrEqual(t, after-before, int64(50_000))
}

// TestSocketBytes: the caches of sockets are summed up with what their slabs leave over, and an entry of the directory cache each.
func TestSocketBytes(t *testing.T) {
	sum, err := socketBytesIn(`slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables
TCPv6                 83    130   2496   13    8 : tunables    0    0    0
TCP                   13     26   2368   13    8 : tunables    0    0    0
sock_inode_cache      10     19    832   19    4 : tunables    0    0    0
dentry            838193 870513    192   21    1 : tunables    0    0    0
`)
	require.NoError(t, err)
	page := float64(os.Getpagesize())
	require.InDelta(t, 8*page+10*4*page/19+10*page/21, float64(sum), 3)
	_, err = socketBytesIn("")
	require.Error(t, err)
}
