package loadtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/murre-chat/murre/pkg/check"
)

// FaultOptions say what is broken, and how often.
type FaultOptions struct {
	Bin   string   // the murre binary
	Work  string   // folder for the cluster's data and logs, and for recorded histories of red runs
	Only  []string // names of faults; empty: all
	Times int      // runs of each
	Short bool     // only what is fast, on one Cassandra node, with small times
	Out   string   // file of JSON lines, one a run; runs that are green in it for this server aren't done again. "": none
	Seed  uint64
	Rate  int // messages/s; 0: 200, in the short form 100
	Nodes int // of Cassandra; 0: as few as a fault needs, one or three. With three every row is on all of them
	Log   io.Writer
}

// FaultRun is the JSON line of one run.
type FaultRun struct {
	Fault       string            `json:"fault"`
	Run         int               `json:"run"`
	Seed        uint64            `json:"seed"`
	Commit      string            `json:"commit"` // what the server says of its version
	Form        string            `json:"form"`
	At          time.Time         `json:"at"`
	OK          bool              `json:"ok"`
	Seconds     float64           `json:"seconds"`
	Users       int               `json:"users"`
	Sent        int               `json:"sent"`
	Acked       int               `json:"acked"`
	Delivered   int               `json:"delivered"` // first receptions, by device
	Repeated    int               `json:"repeated"`
	Changes     int               `json:"changes"` // edits and deletions asked for
	Rows        int               `json:"historyRows"`
	Lost        int               `json:"lost"` // acked and not in history, or never delivered
	Doubled     int               `json:"doubled"`
	Reordered   int               `json:"reordered"`
	StatusBack  int               `json:"statusBack"`
	PendingLeft int               `json:"pendingLeft"`
	SyncedLies  int               `json:"syncedLies"`
	Other       map[string]int    `json:"other,omitempty"`        // further broken promises
	Missed      int               `json:"missed"`                 // receptions that only a reconnect brought
	Errors      map[string]int    `json:"errorsByCode,omitempty"` // error frames, close codes and refusals that clients saw
	LiveBackMs  int64             `json:"liveBackMs"`             // from the end of the cause until p99 of delivery < 1 s again; 0: it never stopped
	OutMs       int64             `json:"outMs"`                  // the same from the blow
	BadSeconds  int               `json:"badSeconds"`             // seconds after the blow whose messages weren't live
	WorstMs     int64             `json:"worstMs"`                // the longest from a message being due to a reception
	P50Ms       float64           `json:"p50Ms"`                  // before the blow
	P99Ms       float64           `json:"p99Ms"`
	Note        string            `json:"note,omitempty"`
	Error       string            `json:"error,omitempty"`
	First       []check.Violation `json:"first,omitempty"`
}

// judge files the checker's report.
func (r *FaultRun) judge(rep check.Report) {
	r.Sent, r.Acked, r.Delivered, r.Repeated, r.Rows = rep.Sent, rep.Acked, rep.Received, rep.Repeated, rep.Rows
	into := map[check.Verdict]*int{
		check.Lost: &r.Lost, check.Undelivered: &r.Lost, check.Duplicate: &r.Doubled, check.ShownTwice: &r.Doubled, check.Disorder: &r.Reordered,
		check.StatusBack: &r.StatusBack, check.PendingLeft: &r.PendingLeft, check.SyncedLied: &r.SyncedLies,
	}
	for v, n := range rep.Counts {
		if field := into[v]; field != nil {
			*field += n
			continue
		}
		if r.Other == nil {
			r.Other = map[string]int{}
		}
		r.Other[string(v)] += n
	}
	r.First = rep.Violations[:min(len(rep.Violations), 8)]
}

// Faults breaks a cluster of its own in every way there is and prints a line for each run, and a table. It returns ErrRed
// when a run broke a promise, or couldn't be done.
func Faults(ctx context.Context, o FaultOptions) error {
	if o.Rate == 0 {
		if o.Rate = 200; o.Short {
			o.Rate = 100
		}
	}
	list, err := chosen(o)
	if err != nil {
		return err
	}
	commit := version(o.Bin)
	done, err := readFaults(o.Out)
	if err != nil {
		return err
	}
	var runs []FaultRun
	fl := &fleet{bin: o.Bin, work: o.Work, subnet: "127.0.24", log: o.Log, o: o}
	defer func() {
		if err := fl.down(context.WithoutCancel(ctx)); err != nil {
			_, _ = fmt.Fprintln(o.Log, "the cluster's end:", err)
		}
	}()
	// Those on a cluster of one size come together, so that it is started once.
	slices.SortStableFunc(list, func(a, b fault) int { return o.nodes(a) - o.nodes(b) })
	red := 0
	for _, f := range list {
		for n := 1; n <= o.Times; n++ {
			if r, ok := done[faultKey{f.name, n, commit, form(o)}]; ok {
				runs = append(runs, r)
				_, _ = fmt.Fprintf(o.Log, "%-18s run %d: done before\n", f.name, n)
				continue
			}
			r := FaultRun{Fault: f.name, Run: n, Seed: o.Seed + uint64(n), Commit: commit, Form: form(o), At: time.Now().UTC().Truncate(time.Second)}
			err := fl.run(ctx, f, &r)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				r.OK, r.Error = false, err.Error()
			}
			if !r.OK {
				red++
				fl.keep = true
			}
			runs = append(runs, r)
			if err := appendLine(o.Out, r); err != nil {
				return err
			}
			r.print(o.Log)
		}
	}
	if err := faultTable(o.Log, runs); err != nil {
		return err
	}
	if red > 0 {
		return ErrRed
	}
	return nil
}

// nodes is how many Cassandra nodes a fault is run on.
func (o FaultOptions) nodes(f fault) int {
	if o.Nodes > 0 && !o.Short {
		return max(o.Nodes, f.nodes)
	}
	return max(1, f.nodes)
}

func form(o FaultOptions) string {
	if o.Short {
		return "short"
	}
	return "standard"
}

// version is what a binary says of itself.
func version(bin string) string {
	b, err := exec.Command(bin, "--version").Output()
	if err != nil {
		return "unknown"
	}
	f := strings.Fields(string(b))
	return f[len(f)-1]
}

// FaultNames lists the faults and what they do.
func FaultNames() []string {
	var out []string
	for _, f := range faults() {
		out = append(out, f.name+": "+f.what)
	}
	return out
}

func chosen(o FaultOptions) ([]fault, error) {
	all := faults()
	for _, n := range o.Only {
		if !slices.ContainsFunc(all, func(f fault) bool { return f.name == n }) {
			return nil, fmt.Errorf("no fault %q; there are\n  %s", n, strings.Join(FaultNames(), "\n  "))
		}
	}
	return slices.DeleteFunc(all, func(f fault) bool {
		if len(o.Only) > 0 {
			return !slices.Contains(o.Only, f.name)
		}
		return o.Short && f.slow
	}), nil
}

func (r *FaultRun) print(w io.Writer) {
	verdict := "ok"
	if !r.OK {
		verdict = "RED"
	}
	_, _ = fmt.Fprintf(w, "%-18s run %d: %s in %.0f s: acked %d, delivered %d (+%d repeated); lost %d, doubled %d, reordered %d, status back %d, pending %d, synced lied %d, other %v, missed while connected %d; live again after %d ms (out %d ms, %d bad s), worst %d ms, before p50 %.1f p99 %.1f ms; errors %v %s %s\n",
		r.Fault, r.Run, verdict, r.Seconds, r.Acked, r.Delivered, r.Repeated, r.Lost, r.Doubled, r.Reordered, r.StatusBack, r.PendingLeft, r.SyncedLies, r.Other, r.Missed,
		r.LiveBackMs, r.OutMs, r.BadSeconds, r.WorstMs, r.P50Ms, r.P99Ms, r.Errors, r.Note, r.Error)
	for _, v := range r.First {
		_, _ = fmt.Fprintf(w, "  %s\n", v)
	}
}

// faultTable prints one line a fault: the sums, and the worst of the times.
func faultTable(w io.Writer, runs []FaultRun) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "\nfault\truns\tred\tacked\tdelivered\tlost\tdoubled\treordered\tstatus back\tpending\tsynced lied\tother\tlive again, s\tslowest, s\t")
	var order []string
	byName := map[string][]FaultRun{}
	for _, r := range runs {
		if byName[r.Fault] == nil {
			order = append(order, r.Fault)
		}
		byName[r.Fault] = append(byName[r.Fault], r)
	}
	for _, name := range order {
		var s FaultRun
		red, other := 0, 0
		var back []int64
		for _, r := range byName[name] {
			if !r.OK {
				red++
			}
			s.Acked += r.Acked
			s.Delivered += r.Delivered
			s.Lost += r.Lost
			s.Doubled += r.Doubled
			s.Reordered += r.Reordered
			s.StatusBack += r.StatusBack
			s.PendingLeft += r.PendingLeft
			s.SyncedLies += r.SyncedLies
			for _, n := range r.Other {
				other += n
			}
			back = append(back, r.LiveBackMs)
			s.WorstMs = max(s.WorstMs, r.WorstMs)
		}
		slices.Sort(back)
		live := fmt.Sprintf("%.1f", float64(back[len(back)/2])/1000)
		if len(back) > 1 {
			live += fmt.Sprintf(" (≤ %.1f)", float64(back[len(back)-1])/1000)
		}
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%.1f\t\n", name, len(byName[name]), red, s.Acked, s.Delivered, s.Lost, s.Doubled, s.Reordered,
			s.StatusBack, s.PendingLeft, s.SyncedLies, other, live, float64(s.WorstMs)/1000)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}

type faultKey struct {
	fault  string
	run    int
	commit string
	form   string
}

// readFaults reads the green runs of a file.
func readFaults(path string) (map[faultKey]FaultRun, error) {
	out := map[faultKey]FaultRun{}
	err := readLines(path, func(r FaultRun) {
		if r.OK {
			out[faultKey{r.Fault, r.Run, r.Commit, r.Form}] = r
		}
	})
	return out, err
}

// readLines reads a file of JSON lines; one that isn't there has none.
func readLines[T any](path string, each func(T)) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("what was done before: %w", err)
	}
	defer func() { _ = f.Close() }()
	for dec := json.NewDecoder(f); ; {
		var r T
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("what was done before, in %s: %w", path, err)
		}
		each(r)
	}
}

// appendLine appends one JSON line to a file.
func appendLine(path string, r any) error {
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the run: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the run: %w", err)
	}
	b, err := json.Marshal(r)
	if err == nil {
		_, err = f.Write(append(b, '\n'))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the run: %w", err)
	}
	return nil
}
