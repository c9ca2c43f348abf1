package result_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/loadtest/result"
)

// TestFile: what is written is read, and a file of a later version is refused.
func TestFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "runs", "a.json")
	r := &result.Run{
		Format: result.Format, Name: "smoke", Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Latencies: []result.Latency{{Name: result.LatencyAck, Phase: "steady", Count: 2, P99: 1.5}},
		Series: result.Series{EverySeconds: 1, Points: []result.Point{{
			At: 1, Connected: 7, Counts: result.Counts{Sent: 3, Errors: map[string]int64{"RATE_LIMITED": 1}},
			Use: map[string]result.Use{result.GroupGateways: {Processes: 2, Bytes: 1 << 20}},
		}}},
		OK: true,
	}
	require.NoError(t, r.Write(file))
	got, err := result.Read(file)
	require.NoError(t, err)
	require.Equal(t, r, got)
	l, ok := got.Latency(result.LatencyAck, "steady")
	require.True(t, ok)
	require.EqualValues(t, 2, l.Count)
	_, ok = got.Latency(result.LatencyAck, "storm")
	require.False(t, ok)

	require.NoError(t, os.WriteFile(file, []byte(`{"format": 99}`), 0o600))
	_, err = result.Read(file)
	require.ErrorContains(t, err, "format 99")
}

// TestCountsAdd: the counts of two are the sum of both.
func TestCountsAdd(t *testing.T) {
	a := result.Counts{Due: 1, Errors: map[string]int64{"x": 1}}
	b := result.Counts{Due: 2, Typing: 3, Errors: map[string]int64{"x": 2, "y": 1}}
	a.Add(&b)
	require.Equal(t, result.Counts{Due: 3, Typing: 3, Errors: map[string]int64{"x": 3, "y": 1}}, a)
	var c result.Counts
	c.Add(&b)
	require.Equal(t, b, c)
}
