package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/murre-chat/murre/loadtest/notation"
	"github.com/murre-chat/murre/loadtest/result"
)

// pageOf is a run's page as text and as a tree; its tags must be balanced and of names that we use.
func pageOf(t *testing.T, r *result.Run) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, WriteHTML(&b, r))
	wellFormed(t, b.String())
	return b.String()
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	var open []string
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		switch z.Next() {
		case html.ErrorToken:
			require.ErrorIs(t, z.Err(), io.EOF)
			require.Empty(t, open)
			return
		case html.StartTagToken:
			tag := z.Token()
			require.Contains(t, " html head meta title style body header main h1 h2 p span section div b figure figcaption svg text i table thead tbody tr th td details summary pre output script ", " "+tag.Data+" ")
			for _, a := range tag.Attr {
				require.NotContains(t, " src href onload onerror xlink:href action ", " "+a.Key+" ", "nothing is fetched")
			}
			if tag.Data != "meta" {
				open = append(open, tag.Data)
			}
		case html.EndTagToken:
			tag := z.Token()
			require.NotEmpty(t, open)
			require.Equal(t, open[len(open)-1], tag.Data)
			open = open[:len(open)-1]
		}
	}
}

// TestPage: a whole run has its plots, tables and texts, and fetches nothing.
func TestPage(t *testing.T) {
	text := pageOf(t, sample(1, 1))
	for _, want := range []string{
		"Connections", "Messages a second", "From due to acknowledged, over time", "From due to received, over time", "Percentiles, steady",
		"Memory by group of processes", "CPU by group of processes, in cores", "Errors a second, by code", "Goroutines",
		"Thresholds", "p99DeliveryMs", "✓ kept", "Checker", "✓ green", "Memory, all connected", "What was found adds up to that but for 120 MiB",
		"Growth over the steady time", "gateway restart gateway-1", "close 1001", "connections: 200000", "99 % back after the storm", "a connection",
	} {
		require.Contains(t, text, want)
	}
	require.NotRegexp(t, `https?://`, text)
	require.NotRegexp(t, `@import|url\(`, text)
	require.NotContains(t, text, "NaN")
	require.NotContains(t, text, "Percentiles, storm", "there was no such distribution")
	require.Equal(t, 7, strings.Count(plotOf(t, text, "Connections"), `class="mark"`), "each event is a line")
	require.NotContains(t, text, "Percentiles, all", "steady says it")
	r := sample(1, 1)
	r.Latencies[3].Phase = "all" // connects, of the ramp
	require.Equal(t, 1, strings.Count(plotOf(t, pageOf(t, r), "Percentiles, all"), `class="line`))
	if name := os.Getenv("MURRE_SAMPLE_PAGE"); name != "" { // to look at
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
}

// plotOf is the SVG of a title.
func plotOf(t *testing.T, text, title string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, `aria-label="`+title+`"`)
	require.True(t, ok, title)
	svg, _, ok := strings.Cut(rest, "</svg>")
	require.True(t, ok)
	return svg
}

// TestPlotInside: nothing is drawn outside of a plot's room, and the values for the script are JSON.
func TestPlotInside(t *testing.T) {
	hostile := []float64{0, -5, math.NaN(), math.Inf(1), math.Inf(-1), 1e300, 1e-300, 3, math.MaxFloat64}
	var x []float64
	for i := range hostile {
		x = append(x, float64(i))
	}
	numbers := regexp.MustCompile(`[ML](-?[0-9.e+]+) (-?[0-9.e+]+)`)
	for _, p := range []*plot{
		{title: "linear", lines: []line{{name: "a", x: x, y: hostile}}},
		{title: "log", log: true, unit: notation.Millis, lines: []line{{name: "a", x: x, y: hostile}}},
		{title: "one", lines: []line{{name: "a", x: []float64{7}, y: []float64{7}}}},
		{title: "back", lines: []line{{name: "a", x: []float64{5, 3, 9}, y: []float64{1, 2, 3}}}},
		{title: "curve", curve: true, log: true, unit: notation.Millis, lines: []line{{name: "a", x: []float64{1, 10, 1e6}, y: []float64{1, 2, 3}}}},
		{title: "stacked", stacked: true, unit: notation.Size, lines: []line{{name: "a", x: []float64{1, 2}, y: []float64{1, 2}}, {name: "b", x: []float64{1, 2}, y: []float64{math.NaN(), 2}}}},
	} {
		svg := string(p.SVG())
		require.NotContains(t, svg, "NaN", p.title)
		require.NotContains(t, svg, "Inf", p.title)
		for _, m := range numbers.FindAllStringSubmatch(svg, -1) {
			var px, py float64
			_, err := fmt.Sscan(m[1]+" "+m[2], &px, &py)
			require.NoError(t, err)
			require.True(t, px >= 0 && px <= width && py >= 0 && py <= height, "%s: %s", p.title, m[0])
		}
		_, rest, _ := strings.Cut(svg, `data-plot="`)
		data, _, _ := strings.Cut(rest, `"`)
		require.True(t, json.Valid([]byte(html.UnescapeString(data))), p.title)
	}
}

// TestThin: a long series is thinned out and its peaks stay.
func TestThin(t *testing.T) {
	l := line{}
	for i := range 10_000 {
		v := 1.0
		if i == 7777 {
			v = 500
		}
		l.x, l.y = append(l.x, float64(i)), append(l.y, v)
	}
	peaks := l.thinned(true)
	require.Len(t, peaks.y, most)
	require.Contains(t, peaks.y, 500.0)
	require.NotContains(t, l.thinned(false).y, 500.0)
	require.Equal(t, 9999.0, peaks.x[most-1])
}

// TestHostile: texts of a result can't become markup, wherever they stand.
func TestHostile(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'&`
	r := sample(2, 1)
	r.Name, r.About, r.Scenario, r.Engine, r.Command, r.Version, r.Busy, r.Failure = evil, evil, evil, evil, evil, evil, evil, evil
	r.Machines[0].Name, r.Machines[0].CPU, r.Machines[0].Kernel = evil, evil, evil
	r.Events[0].Kind, r.Events[0].Detail = evil, evil
	r.Limits[0].Name, r.Limits[0].Unit = evil, evil
	r.Totals.Errors = map[string]int64{evil: 5}
	r.Series.Points[9].Errors = map[string]int64{evil: 5}
	r.Series.Points[9].Use[evil] = result.Use{Bytes: 5, CPUSeconds: 1}
	r.Check = result.Check{Found: []result.Find{{Kind: evil, Count: 1}}, Examples: []result.Violation{{Kind: evil, User: evil, Conversation: evil, Message: evil, Detail: evil}}}
	r.Memory[0].Moment, r.Memory[0].Parts[0].Part, r.Memory[0].Parts[0].Note = evil, evil, evil
	r.Slopes[0].Group, r.Slopes[0].Quantity = evil, evil
	for i := range r.Latencies {
		r.Latencies[i].Phase = evil
	}
	text := pageOf(t, r)
	require.Equal(t, 1, strings.Count(text, "<script>"), "the page's own")
	require.NotContains(t, text, "<img")
	require.Contains(t, text, "&lt;script&gt;")
	require.Contains(t, text, "promises were broken")
}

// TestPoor: a run that ended before anything happened has a page too.
func TestPoor(t *testing.T) {
	text := pageOf(t, &result.Run{Format: 1, Name: "poor", Failure: "the cluster didn't start"})
	require.Contains(t, text, "the cluster didn&#39;t start")
	require.Contains(t, text, "✗ failed")
	require.NotContains(t, text, "<svg")
	one := &result.Run{Format: 1, Name: "one point", Series: result.Series{Points: []result.Point{{At: 0, Connected: 1}}}}
	require.Contains(t, pageOf(t, one), "<circle")
}

// TestExplained: the account says by how much it is off, and which way.
func TestExplained(t *testing.T) {
	m := &result.Memory{SumBytes: 800, InUseBytes: 2000, BeforeBytes: 1000}
	require.Contains(t, explained(m, 800), "the run took 1000 B. 200 B (20.0 %) weren't found")
	m.SumBytes = 1300
	require.Contains(t, explained(m, 1300), "300 B more: programs beside")
	m.SumBytes = 990
	require.Contains(t, explained(m, 990), "but for 10 B (1.0 %)")
	require.Contains(t, explained(m, 900), "The lines add up to 900 B and not")
	require.Contains(t, explained(&result.Memory{SumBytes: 1}, 1), "wasn't read")
	// A run that has a line for what is left adds up by itself; the line is what is told.
	m.SumBytes, m.Parts = 1000, []result.MemoryPart{{Part: "gateways", Bytes: 700}, {Part: notFound, Bytes: 300}}
	require.Contains(t, explained(m, 1000), "300 B (30.0 %) weren't found")
}

// TestShareText: percentiles as they are said.
func TestShareText(t *testing.T) {
	require.Equal(t, "99.9 %", shareText(1000))
	require.Equal(t, "50 %", shareText(2))
	require.Equal(t, "99 %", shareText(100))
}

// TestLines: the picture of memory by connections is a file of its own.
func TestLines(t *testing.T) {
	var b bytes.Buffer
	r := sample(1, 1)
	r.Name = "<evil>"
	require.NoError(t, WriteLines(&b, []*result.Run{r, sample(2, 1)}))
	text := b.String()
	require.True(t, strings.HasPrefix(text, "<svg xmlns="))
	require.NotContains(t, text, "<evil>")
	require.NotContains(t, text, "NaN")
	require.Contains(t, text, "sample: gateways")
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
	}
	b.Reset()
	require.NoError(t, WriteLines(&b, nil))
	require.Contains(t, b.String(), "No run")
}
