package loadtest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/murre-chat/murre/loadtest/procfs"
)

// Figure is one line of the table.
type Figure struct {
	Scenario string    `json:"scenario"`
	Name     string    `json:"name"`
	Unit     string    `json:"unit"`
	Runs     []float64 `json:"runs"`
	Median   float64   `json:"median"`
	Target   float64   `json:"target,omitempty"` // 0: none
	AtLeast  bool      `json:"atLeast,omitempty"`
	Met      *bool     `json:"met,omitempty"`
	Peers    string    `json:"peers,omitempty"`
	Note     string    `json:"note,omitempty"`
}

// Result is a bench: where, when, and its figures.
type Result struct {
	At      time.Time `json:"at"`
	Machine string    `json:"machine"`
	Server  string    `json:"server"` // what the binary says of its version
	Load    string    `json:"load"`   // load averages before the first run: a busy machine makes every figure worse
	Form    string    `json:"form"`
	Cluster string    `json:"cluster,omitempty"` // what it consists of; empty: one embedded server
	Figures []*Figure `json:"figures"`
	Broken  []string  `json:"broken,omitempty"` // bounds that aren't a matter of the machine, and were not kept
}

func newResult(o BenchOptions) *Result {
	version, err := exec.Command(o.Bin, "--version").Output()
	if err != nil {
		version = []byte("unknown")
	}
	res := &Result{At: time.Now().UTC().Truncate(time.Second), Machine: machine(), Server: strings.TrimSpace(string(version)), Load: procfs.Load(), Form: [...]string{"short", "standard", "long"}[o.Form]}
	if o.Cassandra > 0 {
		res.Cluster = fmt.Sprintf("%d gateways, Cassandra × %d (replication %d), Redis Cluster 3 + 3, MinIO, all on this machine", fleetGateways, o.Cassandra, min(o.Cassandra, 3))
	}
	return res
}

// budget is what a figure has to reach here.
func (r *Result) budget(name string) budget {
	if r.Cluster != "" {
		return clusterBudgets[name]
	}
	return budgets[name]
}

// last is the newest run's value of a figure.
func (r *Result) last(scenario, name string) float64 {
	for _, f := range r.Figures {
		if f.Name == name && f.Scenario == scenario && len(f.Runs) > 0 {
			return f.Runs[len(f.Runs)-1]
		}
	}
	return 0
}

// budget is what a figure has to reach, and what peers did on a machine of two cores and 24 GiB: Centrifugo 5.4.9 in
// memory (storing nothing), WuKongIM 2.2 (Pebble, synced), Tinode 0.25 and ejabberd 23.01 (both with PostgreSQL, synced).
type budget struct {
	unit    string
	target  float64
	atLeast bool
	peers   string
}

var budgets = map[string]budget{
	"idle: RSS a connection":                   {"KiB", 2.0, false, "34.5 · 5.4 · 57 · 67"},
	"connects":                                 {"/s", 7000, true, "5,340 · 4,540 · 1,490 · 358"},
	"server CPU for 1,000 connects":            {"s", 0.12, false, "0.18 · 0.28 · 0.70 · 3.1"},
	"1:1 messages, closed loop":                {"/s", 20000, true, "20,600 · 4,720 · 1,210 · 1,670"},
	"server CPU for 100,000 messages":          {"s", 6, false, "4.7 · 27 · 43+51 · 65+37"},
	"client CPU for 100,000 messages":          {"s", 0, false, ""},
	"open loop: p50":                           {"ms", 1, false, "0.68 · 1.8 · can't · can't"},
	"open loop: p99":                           {"ms", 4, false, "2.0 · 304 · can't · can't"},
	"256-member group deliveries":              {"/s", 100000, true, "85,800 · 19,600 · 27,900 · 13,900"},
	"server CPU for 1 M deliveries":            {"s", 9, false, "11 · 50 · 33 · 107"},
	"1,000 pending after connect":              {"ms", 15, false, "4.3 · 35 · 30 · 122"},
	"first batch of 1,000,000 pending":         {"ms", 20, false, ""},
	"history page of 50, p99":                  {"ms", 3, false, ""},
	"start to ready with the big conversation": {"s", 2, false, ""},
	"storm: 99% back and caught up":            {"s", 5, false, ""},
}

// add files one run's value of a figure.
func (r *Result) add(scenario, name string, value float64, note string) {
	b := r.budget(name)
	i := slices.IndexFunc(r.Figures, func(f *Figure) bool { return f.Name == name && f.Scenario == scenario })
	if i < 0 {
		r.Figures = append(r.Figures, &Figure{Scenario: scenario, Name: name, Unit: b.unit, Target: b.target, AtLeast: b.atLeast, Peers: b.peers})
		i = len(r.Figures) - 1
	}
	f := r.Figures[i]
	f.Runs = append(f.Runs, value)
	f.Note = note
	sorted := slices.Sorted(slices.Values(f.Runs))
	f.Median = sorted[len(sorted)/2]
	if len(sorted)%2 == 0 {
		f.Median = (sorted[len(sorted)/2-1] + sorted[len(sorted)/2]) / 2
	}
	if f.Target != 0 && r.Form != "short" {
		met := f.Median <= f.Target
		if f.AtLeast {
			met = f.Median >= f.Target
		}
		f.Met = &met
	}
}

// atMost holds a figure to a bound that no machine is too slow for. The shortest form measures processes too young for it.
func (r *Result) atMost(name string, value, bound float64) {
	if value > bound*1.02 && r.Form != "short" {
		r.Broken = append(r.Broken, fmt.Sprintf("%s: %.2f, the bound is %.0f", name, value, bound))
	}
}

// other files a figure without a budget.
func (r *Result) other(scenario, name, unit string, value float64, note string) {
	r.add(scenario, name, value, note)
	r.Figures[slices.IndexFunc(r.Figures, func(f *Figure) bool { return f.Name == name && f.Scenario == scenario })].Unit = unit
}

// peers names the columns of a figure's peers.
func (r *Result) peers() string {
	if r.Cluster != "" {
		return "Centrifugo + Redis · Tinode · ejabberd"
	}
	return "Centrifugo (memory) · WuKongIM · Tinode · ejabberd"
}

// medians is of how many runs most figures are.
func (r *Result) medians() int {
	n := 1
	for _, f := range r.Figures {
		n = max(n, len(f.Runs))
	}
	return n
}

// target is what a figure has to reach, as text, and whether it does.
func (f *Figure) target() (target, mark string) {
	if f.Target != 0 {
		sign := "≤"
		if f.AtLeast {
			sign = "≥"
		}
		target = sign + " " + number(f.Target) + " " + f.Unit
	}
	mark = " "
	if f.Met != nil {
		mark = "✗"
		if *f.Met {
			mark = "✓"
		}
	}
	return target, mark
}

// Markdown is the same table for a document.
func (r *Result) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, `%s`, %s form, medians of up to %d runs, load averages before %s.\n", r.Machine, r.At.Format("2006-01-02"), r.Server, r.Form, r.medians(), r.Load)
	if r.Cluster != "" {
		fmt.Fprintf(&b, "%s.\n", r.Cluster)
	}
	fmt.Fprintf(&b, "\n| | ours | target | | %s |\n|---|---|---|---|---|\n", r.peers())
	for _, f := range r.Figures {
		target, mark := f.target()
		fmt.Fprintf(&b, "| %s | %s %s | %s | %s | %s |\n", f.Name, number(f.Median), f.Unit, target, mark, f.Peers)
	}
	return b.String()
}

// ReadResult reads what Write wrote.
func ReadResult(path string) (*Result, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a result: %w", err)
	}
	r := new(Result)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("read a result: %s: %w", path, err)
	}
	return r, nil
}

// Table prints the figures: ours, the target, the peers.
func (r *Result) Table(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "\n%s\n%s, %s form, medians of up to %d runs, load averages before %s\n%s\n%-46s %14s %14s     %s\n", r.Machine, r.At.Format(time.RFC3339), r.Form, r.medians(), r.Load,
		r.Cluster, "", "ours", "target", r.peers()); err != nil {
		return err
	}
	for _, f := range r.Figures {
		target, mark := f.target()
		line := fmt.Sprintf("%-46s %14s %14s  %s  %s", f.Name, number(f.Median)+" "+f.Unit, target, mark, f.Peers)
		if f.Note != "" {
			line += "  (" + f.Note + ")"
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// number prints three significant digits, thousands apart.
func number(v float64) string {
	switch {
	case v >= 1000:
		s := strconv.FormatInt(int64(v+0.5), 10)
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// Write writes the result as JSON.
func (r *Result) Write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}
