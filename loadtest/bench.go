package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// BenchOptions say what is measured and how long.
type BenchOptions struct {
	Bin  string   // the murre binary
	Work string   // folder for data; emptied as it goes, removed at the end
	Runs int      // a figure is the median of so many
	Only []string // names of scenarios; empty: all
	Form Form
	Out  io.Writer // progress
	// Profiles is a folder for the server's CPU profile of each loaded window and its heap when idle; "": none are taken.
	// Taking them costs the server a little.
	Profiles string
	Args     []string // further flags of the server
	// Cassandra is how many Cassandra nodes the cluster has that is measured; 0: one embedded server.
	Cassandra int
}

// Form is how large a bench is.
type Form int

// The forms: does it still run (under a minute), the figures of the budget, and those that need bulk-loaded data too.
const (
	Short Form = iota
	Standard
	Long
)

// scale holds the sizes of one form.
type scale struct {
	idle, pairs, members, storm int
	warm, measure, settle       time.Duration
	rate                        int // messages/s of the open loop
	pending, receivers          int // stored messages for one device; devices that fetch them, one after the other
	backlog, backlogConvs       int // the large backlog
	history, pages              int // messages of the big conversation; pages read of it
	historyText                 int // bytes of each of its messages
}

var scales = map[Form]scale{
	Short: {
		idle: 500, pairs: 20, members: 32, storm: 500, warm: 300 * time.Millisecond, measure: time.Second, settle: time.Second,
		rate: 500, pending: 200, receivers: 2, backlog: 10_000, backlogConvs: 100, history: 20_000, pages: 200, historyText: 100,
	},
	Standard: {
		idle: 15_000, pairs: 200, members: 256, storm: 18_000, warm: 2 * time.Second, measure: 8 * time.Second, settle: 15 * time.Second,
		rate: 2000, pending: 1000, receivers: 11, backlog: 1_000_000, backlogConvs: 10_000, history: 1_000_000, pages: 3000, historyText: 100,
	},
	Long: {
		idle: 15_000, pairs: 200, members: 256, storm: 18_000, warm: 3 * time.Second, measure: 20 * time.Second, settle: 15 * time.Second,
		rate: 2000, pending: 1000, receivers: 21, backlog: 1_000_000, backlogConvs: 10_000, history: 10_000_000, pages: 10_000, historyText: 800,
	},
}

// scenario is one way to load a server. It reports figures; each run has a fresh server.
type scenario struct {
	name string
	what string
	once bool // the median is taken inside
	run  func(ctx context.Context, r *rig) error
}

var scenarios = []scenario{
	{name: "idle", what: "idle cost and connect rate", run: runIdle},
	{name: "closed", what: "1:1, closed loop", run: runClosed},
	{name: "open", what: "1:1, open loop", run: runOpen},
	{name: "group", what: "group fan-out", run: runGroup},
	{name: "catchup", what: "stored messages after connect", once: true, run: runCatchup},
	{name: "storm", what: "all cut off at once", run: runStorm},
	{name: "backlog", what: "a large backlog", once: true, run: runBacklog},
	{name: "history", what: "history of a big conversation; start", once: true, run: runHistory},
	{name: "fsync", what: "fsyncs by system-call count", once: true, run: runFsync},
}

// ScenarioNames lists the scenarios and what they measure.
func ScenarioNames() []string { return namesOf(scenarios) }

// ClusterScenarioNames lists those of a cluster.
func ClusterScenarioNames() []string { return namesOf(clusterScenarios) }

func namesOf(list []scenario) []string {
	var out []string
	for _, s := range list {
		out = append(out, s.name+": "+s.what)
	}
	return out
}

// Bench runs the scenarios and returns their figures.
func Bench(ctx context.Context, o BenchOptions) (*Result, error) {
	list := scenarios
	if o.Cassandra > 0 {
		list = clusterScenarios
	}
	for _, n := range o.Only {
		if !slices.ContainsFunc(list, func(s scenario) bool { return s.name == n }) {
			return nil, fmt.Errorf("no scenario %q; there are %s", n, strings.Join(namesOf(list), "; "))
		}
	}
	if _, err := os.Stat(o.Bin); err != nil {
		return nil, fmt.Errorf("the server's binary: %w", err)
	}
	res := newResult(o)
	var errs []error
	var fl *fleet
	if o.Cassandra > 0 {
		fl = &fleet{bin: o.Bin, work: filepath.Join(o.work(), "murre-bench"), subnet: "127.0.25", log: o.Out, args: o.Args, heapMB: 3072 / (o.Cassandra + 1), direct: true}
		defer func() {
			if err := fl.down(context.WithoutCancel(ctx)); err != nil {
				_, _ = fmt.Fprintln(o.Out, "the cluster's end:", err)
			}
		}()
		if err := fl.up(ctx, o.Cassandra); err != nil {
			return res, fmt.Errorf("bring the cluster up: %w", err)
		}
	}
	for _, sc := range list {
		if len(o.Only) > 0 && !slices.Contains(o.Only, sc.name) {
			continue
		}
		runs := o.Runs
		if sc.once || runs < 1 {
			runs = 1
		}
		for run := range runs {
			began := time.Now()
			_, _ = fmt.Fprintf(o.Out, "%-8s %s, run %d of %d …", sc.name, sc.what, run+1, runs)
			err := runScenario(ctx, o, fl, sc, res)
			_, _ = fmt.Fprintf(o.Out, " %.0f s\n", time.Since(began).Seconds())
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", sc.name, err))
				if fl == nil || ctx.Err() != nil {
					return res, errors.Join(errs...)
				}
				break // what a cluster can't do doesn't keep the others from being measured
			}
		}
	}
	for _, b := range res.Broken {
		errs = append(errs, errors.New(b))
	}
	return res, errors.Join(errs...)
}

func (o BenchOptions) work() string {
	if o.Work == "" {
		return os.TempDir()
	}
	return o.Work
}

// scale is the size of things: a cluster gives its open loop less.
func (o BenchOptions) scale() scale {
	s := scales[o.Form]
	if o.Cassandra > 0 {
		s.rate = min(s.rate, 500)
		s.history = min(s.history, 10_000_000)
		s.historyText = min(s.historyText, 200)
	}
	return s
}

func runScenario(ctx context.Context, o BenchOptions, fl *fleet, sc scenario, res *Result) error {
	dir, err := os.MkdirTemp(o.Work, "bench-"+sc.name+"-")
	if err != nil {
		return fmt.Errorf("working folder: %w", err)
	}
	r := &rig{name: sc.name, scale: o.scale(), dir: dir, o: o, res: res, fleet: fl}
	err = sc.run(ctx, r)
	err = errors.Join(err, r.close())
	if err != nil && fl != nil {
		fl.keep = true
	} else if err != nil {
		if log, lerr := os.ReadFile(filepath.Join(dir, "server.log")); lerr == nil && len(log) > 0 {
			err = fmt.Errorf("%w\nserver log ends:\n%s", err, log[max(0, len(log)-2000):])
		}
	}
	return errors.Join(err, os.RemoveAll(dir))
}
