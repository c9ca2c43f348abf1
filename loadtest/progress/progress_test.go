package progress_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/loadtest/progress"
	"github.com/murre-chat/murre/loadtest/result"
)

func point(at float64, connected int) result.Point {
	return result.Point{
		At: at, Connected: connected, Wanted: 1000,
		Counts: result.Counts{Due: 100, Acked: 100, Delivered: 250, Errors: map[string]int64{"dial": 2, "\x1b[2Jevil": 1}},
		Ack:    result.Quantiles{P50: 1.5, P99: 20, Max: 31}, Delivery: result.Quantiles{P50: 2.5, P99: 40, Max: 51},
		Use: map[string]result.Use{result.GroupGateways: {Bytes: 3 << 30, CPUSeconds: 1}, result.GroupClients: {Bytes: 1 << 30, CPUSeconds: 0.5}},
	}
}

// screen is what a terminal shows that obeys the two movements that are used.
func screen(t *testing.T, text string) []string {
	t.Helper()
	lines := []string{""}
	for len(text) > 0 {
		switch {
		case strings.HasPrefix(text, "\x1b["):
			n := 0
			i := 2
			for ; text[i] >= '0' && text[i] <= '9'; i++ {
				n = n*10 + int(text[i]-'0')
			}
			require.Contains(t, "AJ", string(text[i]))
			if text[i] == 'A' {
				require.Less(t, n, len(lines), "above the screen's first line")
				lines = append(lines[:len(lines)-1-n], "") // what is below is erased next
			}
			text = text[i+1:]
		case text[0] == '\n':
			lines = append(lines, "")
			text = text[1:]
		case text[0] == '\r':
			text = text[1:]
		default:
			end := strings.IndexAny(text, "\n\r\x1b")
			lines[len(lines)-1] += text[:end]
			text = text[end:]
		}
	}
	return lines
}

// TestTerminal: the block is drawn over, what is said stays above it.
func TestTerminal(t *testing.T) {
	var b strings.Builder
	p := progress.New(&b, true, 100*time.Second)
	p.Columns = func() int { return 70 }
	p.Update(point(5, 100))
	p.Event(result.Event{At: 6, Kind: result.EventRampDone, N: 1000, Seconds: 6})
	p.Update(point(10, 600))
	p.Update(point(25, 900))
	p.Close()
	p.Update(point(30, 900))
	lines := screen(t, b.String())
	all := strings.Join(lines, "\n")
	require.Equal(t, "0:06  ramp done 1,000, took 6 s", lines[0])
	require.Len(t, lines, 1+8+1)
	require.Contains(t, lines[1], "0:25 of 1:40  ██████░")
	require.Contains(t, lines[1], "1:15 left")
	require.Contains(t, all, "900 of 1,000   +20/s")
	require.Contains(t, all, "due 6.67/s   acked 6.67/s   received 16.7/s")
	require.Contains(t, all, "p50 2.5 ms   p99 40 ms   largest 51 ms")
	require.Contains(t, all, "gateways 3 GiB   clients 1 GiB")
	require.Contains(t, all, "9: dial 6, [2Jevil 3")
	for _, l := range lines {
		require.LessOrEqual(t, utf8.RuneCountInString(l), 69, "a line that wraps would be two")
	}
}

// TestLog: without a terminal one line every ten seconds of the run, and no movements.
func TestLog(t *testing.T) {
	var b strings.Builder
	p := progress.New(&b, false, time.Minute)
	for at := 1; at <= 31; at++ {
		p.Update(point(float64(at), at))
	}
	p.Event(result.Event{At: 31, Kind: "\x1b[31mstorm"})
	p.Close()
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 5)
	require.Contains(t, lines[3], "0:31/1:00 connected 31/1000, acked 100/s, received 250/s, ack p50 1.5 ms p99 20 ms, delivery p50 2.5 ms p99 40 ms, errors 93, memory 4 GiB")
	require.NotContains(t, b.String(), "\x1b")
}

// TestOdd: points that go back in time, and a run without an end, are shown without numbers that aren't any.
func TestOdd(t *testing.T) {
	var b strings.Builder
	p := progress.New(&b, true, 0)
	p.Update(result.Point{At: 5})
	p.Update(result.Point{At: 5})
	p.Update(result.Point{At: 3})
	require.NotContains(t, b.String(), "NaN")
	require.NotContains(t, b.String(), "Inf")
}
