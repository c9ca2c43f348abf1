package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Verdict of a check.
type Verdict uint8

// The verdicts.
const (
	OK   Verdict = iota
	Info         // nothing to judge, good to know
	Warn         // works, and will hurt some day
	Fail         // doesn't work, or loses what it promises
)

// String returns "ok", "info", "warn" or "fail".
func (v Verdict) String() string { return [...]string{"ok", "info", "warn", "fail"}[v] }

// MarshalText implements encoding.TextMarshaler.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (v *Verdict) UnmarshalText(b []byte) error {
	for w := OK; w <= Fail; w++ {
		if w.String() == string(b) {
			*v = w
			return nil
		}
	}
	return fmt.Errorf("doctor: no verdict %q", b)
}

// Finding is what one check found.
type Finding struct {
	Area    string  `json:"area"`  // machine, data, cql, redis, s3, gateways
	Check   string  `json:"check"` // short, stable
	Verdict Verdict `json:"verdict"`
	Found   string  `json:"found"`
	Advice  string  `json:"advice,omitempty"` // what to change
}

// Report is what all checks found, by area.
type Report struct {
	Findings []Finding `json:"findings"`
}

// add appends a finding; format and args make Found.
func (r *Report) add(area, check string, v Verdict, advice, format string, args ...any) {
	if v == OK {
		advice = ""
	}
	r.Findings = append(r.Findings, Finding{Area: area, Check: check, Verdict: v, Found: fmt.Sprintf(format, args...), Advice: advice})
}

// Count is how many findings have a verdict.
func (r *Report) Count(v Verdict) (n int) {
	for _, f := range r.Findings {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

// titles of areas, in the order in which they are shown.
var titles = []struct{ area, title string }{
	{areaMachine, "This machine"}, {areaData, "Files"}, {areaCQL, "CQL servers"}, {areaRedis, "Redis Cluster"},
	{areaS3, "S3"}, {areaGateways, "Gateways"},
}

// The areas.
const (
	areaMachine  = "machine"
	areaData     = "files"
	areaCQL      = "cql"
	areaRedis    = "redis"
	areaS3       = "s3"
	areaGateways = "gateways"
)

// Print writes the report for people. Advice stands below what it is about.
func (r *Report) Print(w io.Writer) error {
	width := 0
	for _, f := range r.Findings {
		width = max(width, len(f.Check))
	}
	var b strings.Builder
	for _, t := range titles {
		head := false
		for _, f := range r.Findings {
			if f.Area != t.area {
				continue
			}
			if !head {
				fmt.Fprintf(&b, "%s\n", t.title)
				head = true
			}
			fmt.Fprintf(&b, "  %-4s  %-*s  %s\n", f.Verdict, width, f.Check, f.Found)
			if f.Advice != "" {
				fmt.Fprintf(&b, "  %-4s  %-*s  → %s\n", "", width, "", f.Advice)
			}
		}
		if head {
			b.WriteByte('\n')
		}
	}
	fmt.Fprintf(&b, "%d ok, %d to know, %s, %s\n", r.Count(OK), r.Count(Info), plural(r.Count(Warn), "warning"), plural(r.Count(Fail), "failure"))
	_, err := io.WriteString(w, b.String())
	return err
}

// PrintJSON writes the report as one JSON document.
func (r *Report) PrintJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
