package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

// Defaults and bounds of a copy.
const (
	// DefaultWorkers is how many chunks are under way at once.
	DefaultWorkers = 16
	// MaxWorkers bounds them, and with them the memory: each holds a chunk of at most chunkBytes or one row.
	MaxWorkers = 256
	chunkRows  = 256
	chunkBytes = 256 << 10
	// windowChunks bounds how far workers may be ahead of a chunk that takes long: as much is done again after a stop.
	windowChunks = 4
	saveEvery    = time.Second
	// patience is how long one chunk is tried while the target doesn't answer.
	patience     = 2 * time.Minute
	shownTaken   = 20
	shownWrong   = 20
	usersAtOnce  = 500
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// Errors of Copy; the text says what to do.
var (
	// ErrOccupied: the target holds rows that this copy didn't write.
	ErrOccupied = errors.New("the target isn't empty")
	// ErrBegun: an earlier copy was begun and not finished.
	ErrBegun = errors.New("a copy was begun already")
	// ErrChanged: the source was written to since the copy began.
	ErrChanged = errors.New("the source has changed since the copy began")
	// ErrTaken: usernames or external subjects belong to someone else in the target. Nothing was written.
	ErrTaken = errors.New("taken by others in the target")
	// ErrWrong: rows read back from the target are not what they should be.
	ErrWrong = errors.New("rows differ")
)

// Options of Copy. Source, Target and, unless VerifyOnly is set, State are required.
type Options struct {
	Source Source
	Target Target
	// State is the file that holds the progress; it is replaced as a whole. TargetName stands in it, and must be the same
	// when the copy goes on.
	State      string
	TargetName string
	// Resume goes on with the copy that State tells of, or begins one when there is none.
	Resume bool
	// Merge allows a target that holds rows.
	Merge bool
	// VerifyOnly writes nothing and reads every row back.
	VerifyOnly bool
	Workers    int // default DefaultWorkers
	// Progress, when set, is called about once a second, never concurrently.
	Progress func(Progress)
	// Now is the clock, default time.Now.
	Now func() time.Time
}

// Progress says how far a copy is. Counts are rows of the source.
type Progress struct {
	Table       Table
	Done, Total int64
	Rate        float64 // rows a second, since this run began
	Left        time.Duration
}

// Report says what a copy did, over all its runs.
type Report struct {
	Source   [Tables]int64    // rows read, by table
	Rows     map[string]int64 // rows of the target that were read back and are right, by its tables
	Sums     map[string]Sum   // their digests
	Sum      Sum              // of everything
	Orphans  int64            // rows of conversations that don't exist: left behind
	Expired  int64            // rows that outlived their time: left behind
	Newer    int64            // rows that the target has newer
	Missing  int64            // VerifyOnly: rows that aren't there
	Differ   int64            // VerifyOnly: rows that hold something else
	Wrong    []Difference     // the first of those
	ThisRun  int64            // rows of the source that this run handled
	Elapsed  time.Duration    // of this run
	Resumed  bool
	Finished bool
}

func (o Options) check() (Options, error) {
	if o.Source == nil || o.Target == nil || (o.State == "" && !o.VerifyOnly) {
		return o, errors.New("transfer: a source, a target and a state file are needed")
	}
	if o.Workers <= 0 {
		o.Workers = DefaultWorkers
	}
	o.Workers = min(o.Workers, MaxWorkers)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}

// Copy copies every row of the source and reads each back, or with VerifyOnly only reads. It may be stopped at any time, by ctx
// or by the end of the process, and goes on with Resume. The report is of use beside an error too. ErrOccupied, ErrBegun,
// ErrChanged, ErrTaken, ErrWrong.
func Copy(ctx context.Context, o Options) (Report, error) {
	began := time.Now()
	o, err := o.check()
	if err != nil {
		return Report{}, err
	}
	c := &copier{o: o, began: began}
	if err := c.begin(ctx); err != nil {
		return c.report(), fmt.Errorf("copy: %w", err)
	}
	if err := c.tables(ctx); err != nil {
		return c.report(), fmt.Errorf("copy: %w", err)
	}
	if !o.VerifyOnly {
		if err := o.Target.Finish(ctx, o.Source.Info().HighWater); err != nil {
			return c.report(), fmt.Errorf("copy: finish: %w", err)
		}
		c.state.Finished = true
		if err := c.state.save(o.State); err != nil {
			return c.report(), fmt.Errorf("copy: %w", err)
		}
	}
	r := c.report()
	if r.Missing+r.Differ > 0 {
		return r, fmt.Errorf("copy: verify: %w: %d missing, %d otherwise", ErrWrong, r.Missing, r.Differ)
	}
	return r, nil
}

// copier is one run of a copy.
type copier struct {
	o       Options
	state   *state
	totals  [Tables]int64
	total   int64
	before  int64 // rows that earlier runs handled
	resumed bool
	began   time.Time
	saved   time.Time
	shown   time.Time
	wrong   []Difference
}

// begin decides whether there is anything to do and nothing in the way, and writes the state file before the first row.
func (c *copier) begin(ctx context.Context) error {
	info := c.o.Source.Info()
	c.state = newState(info.Identity, c.o.TargetName)
	if !c.o.VerifyOnly {
		if err := c.takeUp(ctx, info); err != nil {
			return err
		}
	}
	for t := range Tables {
		n, err := c.o.Source.Count(ctx, t)
		if err != nil {
			return err
		}
		c.totals[t] = n
		c.total += n
	}
	c.before = c.state.handled()
	if c.o.VerifyOnly || c.state.Tables[Users].Done {
		return nil
	}
	return c.taken(ctx)
}

// takeUp begins a copy or goes on with one.
func (c *copier) takeUp(ctx context.Context, info SourceInfo) error {
	old, err := loadState(c.o.State)
	if err != nil {
		return err
	}
	if old != nil {
		switch {
		case !c.o.Resume:
			return fmt.Errorf("%w: %s tells of it: go on with --resume, or remove that file to begin anew", ErrBegun, c.o.State)
		case old.Target != c.o.TargetName:
			return fmt.Errorf("%w: %s is of a copy to %s, not to %s: name another file with --state", ErrBegun, c.o.State, old.Target, c.o.TargetName)
		case old.Source != info.Identity:
			return fmt.Errorf("%w: remove %s and begin anew with --merge, or into an empty keyspace", ErrChanged, c.o.State)
		}
		c.state, c.resumed = old, true
		return nil
	}
	if !c.o.Merge {
		table, err := c.o.Target.Occupied(ctx)
		if err != nil {
			return err
		}
		if table != "" {
			return fmt.Errorf("%w: its table %s holds rows: name another keyspace, or say --merge to copy into it all the same", ErrOccupied, table)
		}
	}
	c.state.Begun = c.o.Now().UTC()
	return c.state.save(c.o.State)
}

// taken looks for names that belong to others before anything is written.
func (c *copier) taken(ctx context.Context) error {
	var found []string
	users := make([]chat.User, 0, usersAtOnce)
	ask := func() error {
		more, err := c.o.Target.Taken(ctx, users)
		found, users = append(found, more...), users[:0]
		return err
	}
	err := c.o.Source.Rows(ctx, Users, nil, func(r Row) error {
		u, ok := r.Value.(chat.User)
		if !ok {
			return fmt.Errorf("transfer: a user row holds a %T", r.Value)
		}
		if users = append(users, u); len(users) == usersAtOnce {
			return ask()
		}
		return nil
	})
	if err == nil && len(users) > 0 {
		err = ask()
	}
	if err != nil {
		return err
	}
	if n := len(found); n > 0 {
		shown := strings.Join(found[:min(n, shownTaken)], "; ")
		if n > shownTaken {
			shown += fmt.Sprintf("; and %d more", n-shownTaken)
		}
		return fmt.Errorf("%w: %s", ErrTaken, shown)
	}
	return nil
}

func (c *copier) tables(ctx context.Context) error {
	for t := range Tables {
		if c.state.Tables[t].Done {
			continue
		}
		if err := c.table(ctx, t); err != nil {
			if c.o.VerifyOnly {
				return err
			}
			return errors.Join(err, c.state.save(c.o.State)) // what was done needn't be done again
		}
		c.state.Tables[t].Done = true
		if err := c.note(true); err != nil {
			return err
		}
		c.show(t, true)
	}
	return nil
}

// note saves the state now and then.
func (c *copier) note(now bool) error {
	if c.o.VerifyOnly || (!now && time.Since(c.saved) < saveEvery) {
		return nil
	}
	c.saved = time.Now()
	return c.state.save(c.o.State)
}

// show tells of the progress now and then.
func (c *copier) show(t Table, now bool) {
	if c.o.Progress == nil || (!now && time.Since(c.shown) < time.Second) {
		return
	}
	c.shown = time.Now()
	p := Progress{Table: t, Done: c.state.handled(), Total: c.total}
	if took := time.Since(c.began).Seconds(); took > 0 {
		p.Rate = float64(p.Done-c.before) / took
	}
	if p.Rate > 0 {
		p.Left = time.Duration(float64(p.Total-p.Done) / p.Rate * float64(time.Second))
	}
	c.o.Progress(p)
}

func (c *copier) report() Report {
	r := Report{Rows: make(map[string]int64), Sums: make(map[string]Sum), Wrong: c.wrong, Elapsed: time.Since(c.began), Resumed: c.resumed}
	if c.state == nil {
		return r
	}
	r.Finished = c.state.Finished
	for t := range Tables {
		s := &c.state.Tables[t]
		r.Source[t] = s.Handled
		r.Orphans, r.Expired, r.Newer = r.Orphans+s.Orphans, r.Expired+s.Expired, r.Newer+s.Newer
		r.Missing, r.Differ = r.Missing+s.Missing, r.Differ+s.Differ
		for name, n := range s.Rows {
			r.Rows[name] += n
		}
		for name, sum := range s.Sums {
			both := r.Sums[name]
			both.Add(sum)
			r.Sums[name] = both
			r.Sum.Add(sum)
		}
	}
	r.ThisRun = c.state.handled() - c.before
	return r
}
