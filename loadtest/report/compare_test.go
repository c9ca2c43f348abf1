package report

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/loadtest/result"
)

func compared(t *testing.T, a, b *result.Run, l Limits) *Comparison {
	t.Helper()
	c, err := Compare(a, b, l)
	require.NoError(t, err)
	return c
}

func (c *Comparison) metric(t *testing.T, name string) Metric {
	t.Helper()
	for _, m := range c.Metrics {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("no metric %q", name)
	return Metric{}
}

// TestCompare: what got slower is worse, what got faster is better, and only what is judged decides.
func TestCompare(t *testing.T) {
	a, slower := sample(1, 1), sample(2, 1.5)
	slower.Limits, slower.OK = nil, true
	c := compared(t, a, slower, Limits{All: 1.1})
	require.False(t, c.OK)
	m := c.metric(t, "ack p99, steady")
	require.Equal(t, Worse, m.Result)
	require.InDelta(t, 1.5, m.Ratio, 0.001)
	require.Equal(t, Same, c.metric(t, "connected at once").Result)
	require.Contains(t, c.Notes, "the seeds differ")

	back := compared(t, slower, a, Limits{All: 1.1})
	require.True(t, back.OK)
	require.Equal(t, Better, back.metric(t, "ack p99, steady").Result)

	require.True(t, compared(t, a, slower, Limits{All: 2}).OK, "the limit is what is asked for")
	require.False(t, compared(t, a, slower, Limits{All: 2, ByName: map[string]float64{"ack p99, steady": 1.2}}).OK)
	red := sample(1, 1)
	red.OK = false
	require.False(t, compared(t, a, red, Limits{All: 2}).OK, "a red run is never good")
	_, err := Compare(a, slower, Limits{All: 2, ByName: map[string]float64{"nonsense": 2}})
	require.ErrorContains(t, err, `"nonsense"`)
}

// TestCompareMissing: a metric that only one run has is told, and one that went away isn't passed over.
func TestCompareMissing(t *testing.T) {
	a, b := sample(1, 1), sample(1, 1)
	b.Latencies = b.Latencies[1:]
	c := compared(t, a, b, Limits{All: 1.1})
	require.Equal(t, Gone, c.metric(t, "ack p99, steady").Result)
	require.False(t, c.OK)
	require.True(t, compared(t, a, b, Limits{All: 1.1, Ignored: []string{"ack p99, steady", "ack p50, steady"}}).OK)
	require.Equal(t, New, compared(t, b, a, Limits{All: 1.1}).metric(t, "ack p99, steady").Result)
	// Where there was nothing, one is more than any share.
	b = sample(1, 1)
	b.Check.Found = []result.Find{{Kind: result.Lost, Count: 1}}
	require.Equal(t, Worse, compared(t, a, b, Limits{All: 3}).metric(t, "broken promises").Result)
}

// TestMemoryFound: what an account didn't find isn't compared.
func TestMemoryFound(t *testing.T) {
	a, b := sample(1, 1), sample(1, 1)
	b.Memory[0].Parts = append(b.Memory[0].Parts, result.MemoryPart{Part: notFound, Bytes: -5 << 30})
	b.Memory[0].SumBytes -= 5 << 30
	require.Equal(t, Same, compared(t, a, b, Limits{All: 1.1}).metric(t, "memory of everything").Result)
}

// TestHigherIsBetter: a lower rate is worse.
func TestHigherIsBetter(t *testing.T) {
	a, b := sample(1, 1), sample(1, 1)
	for i := range b.Series.Points {
		b.Series.Points[i].Acked /= 2
	}
	c := compared(t, a, b, Limits{All: 1.1})
	require.Equal(t, Worse, c.metric(t, "messages acked a second, steady").Result)
	require.InDelta(t, 300, c.metric(t, "messages acked a second, steady").A, 1)
}

// TestCompareWritten: the table and the page.
func TestCompareWritten(t *testing.T) {
	a, b := sample(1, 1), sample(1, 1.3)
	b.Name = "<script>\x1b[31mred"
	c := compared(t, a, b, Limits{All: 1.1})
	var text, page bytes.Buffer
	require.NoError(t, c.WriteText(&text))
	require.NotContains(t, text.String(), "\x1b")
	require.Regexp(t, `ack p99, steady +61\.2 ms +79\.6 ms +× 1\.30 +✗ worse`, text.String())
	require.NoError(t, c.WriteHTML(&page))
	wellFormed(t, page.String())
	require.Contains(t, page.String(), "B is worse")
	svg := plotOf(t, page.String(), "Percentiles, steady")
	require.Contains(t, svg, "dashed")
	if name := os.Getenv("MURRE_SAMPLE_COMPARISON"); name != "" { // to look at
		require.NoError(t, os.WriteFile(name, page.Bytes(), 0o600))
	}
}
