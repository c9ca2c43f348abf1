package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/murre-chat/murre/loadtest/notation"
	"github.com/murre-chat/murre/loadtest/result"
)

//go:embed page.html page.css page.js
var files embed.FS

// tile is one of the figures at the top of a page.
type tile struct {
	Name, Value string
	Class       string // "ok", "bad" or nothing
}

// page is what page.html is filled with.
type page struct {
	Title, About, Sub string
	Verdict           cell
	Failure           string
	Tiles             []tile
	Plots             []*plot
	Tables            []table
	Sources           []sourceText
	Style             template.CSS
	Script            template.JS
}

// sourceText is a file that belongs to a page, such as the scenario.
type sourceText struct{ Name, Text string }

// WriteHTML writes the page of one run: a single file that needs nothing else.
func WriteHTML(w io.Writer, r *result.Run) error {
	p := page{
		Title: r.Name, About: r.About, Failure: r.Failure, Verdict: verdict(r.OK, "passed", "failed"),
		Sub:   fmt.Sprintf("%s, %s long", r.Began.UTC().Format(time.DateTime+" UTC"), notation.Lasting(r.Seconds)),
		Tiles: tiles(r), Plots: plots(&source{run: r}), Tables: tables(r),
	}
	if r.Scenario != "" {
		p.Sources = []sourceText{{"The scenario", r.Scenario}}
	}
	return p.write(w)
}

func (p *page) write(w io.Writer) error {
	style, err := files.ReadFile("page.css")
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	script, err := files.ReadFile("page.js")
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	p.Style, p.Script = template.CSS(style), template.JS(script) // our own files
	t, err := template.ParseFS(files, "page.html")
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// tiles are the figures that are asked for first.
func tiles(r *result.Run) []tile {
	most := 0
	for i := range r.Series.Points {
		most = max(most, r.Series.Points[i].Connected)
	}
	out := []tile{{Name: "connected at once", Value: notation.Whole(float64(most))}}
	for _, e := range r.Events {
		switch {
		case e.Kind == result.EventRampDone && e.Seconds > 0:
			out = append(out, tile{Name: "ramp", Value: notation.Lasting(e.Seconds)})
		case e.Kind == result.EventStormBack && e.Seconds > 0:
			out = append(out, tile{Name: "99 % back after the storm", Value: notation.Lasting(e.Seconds)})
		}
	}
	out = append(out, tile{Name: "messages acknowledged", Value: notation.Whole(float64(r.Totals.Acked))},
		tile{Name: "receptions", Value: notation.Whole(float64(r.Totals.Delivered))})
	for _, name := range []string{result.LatencyAck, result.LatencyDelivery} {
		for _, phase := range []string{result.PhaseSteady, result.PhaseAll} {
			if l, ok := r.Latency(name, phase); ok && l.Count > 0 {
				out = append(out, tile{Name: name + ", p50 · p99", Value: notation.Millis.Text(l.P50) + " · " + notation.Millis.Text(l.P99)})
				break
			}
		}
		if l, ok := r.Latency(name, result.PhaseCalm); ok && l.Count > 0 {
			out = append(out, tile{Name: name + " apart from restarts, p50 · p99", Value: notation.Millis.Text(l.P50) + " · " + notation.Millis.Text(l.P99)})
		}
	}
	check := tile{Name: "checker", Value: "green", Class: "ok"}
	if !r.Check.OK {
		check = tile{Name: "checker", Value: "red", Class: "bad"}
	}
	out = append(out, check)
	if n := len(r.Memory); n > 0 {
		out = append(out, tile{Name: "memory, everything", Value: notation.Bytes(foundBytes(&r.Memory[n-1]))})
	}
	kept := 0
	for _, l := range r.Limits {
		if l.OK {
			kept++
		}
	}
	if n := len(r.Limits); n > 0 {
		class := "ok"
		if kept < n {
			class = "bad"
		}
		out = append(out, tile{Name: "thresholds kept", Value: fmt.Sprintf("%d of %d", kept, n), Class: class})
	}
	return out
}
