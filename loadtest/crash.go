package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/murre-chat/murre/pkg/check"
)

// CrashOptions say how the server is killed under load.
type CrashOptions struct {
	Bin    string
	Work   string // folder for data, removed as it goes; kept when a round is red
	Rounds int
	Out    string // file of JSON lines, one a round; rounds that it holds aren't run again. "": none
	Drop   int    // drop one in so many received messages before recording: the checker must go red. 0: none
	Seed   uint64 // of the load and the moments of death
	Args   []string
	Log    io.Writer
}

// Sizes of a round. Everybody online writes rate/users messages a second, one in groupShare of them to the group.
const (
	crashOnline  = 200
	crashMembers = 256 // of the group: those online and 56 who come only after the crash
	crashRate    = 2400
	groupShare   = 40
	crashDevices = 20 // people with a second device
	killTwice    = 3  // in one of so many rounds the server is killed again while everybody comes back
)

// CrashRound is the JSON line of one round.
type CrashRound struct {
	Round       int               `json:"round"`
	Seed        uint64            `json:"seed"`
	At          time.Time         `json:"at"`
	OK          bool              `json:"ok"`
	Users       int               `json:"users"`
	Kills       int               `json:"kills"`
	KilledAfter float64           `json:"killedAfterSeconds"` // of load
	Rate        float64           `json:"messagesPerSecond"`  // put on the wire while the server lived
	Sent        int               `json:"sent"`
	Acked       int               `json:"acked"`
	AckedBefore int               `json:"ackedBeforeKill"`
	Unknown     int               `json:"unackedAtKill"` // sent again after the restart
	Changes     int               `json:"changes"`       // edits and deletions asked for
	Received    int               `json:"received"`
	Repeated    int               `json:"repeated"`
	Rows        int               `json:"historyRows"`
	Lost        int               `json:"lost"`
	Undelivered int               `json:"undelivered"`
	Duplicated  int               `json:"duplicated"`
	Disordered  int               `json:"disordered"`
	Other       map[string]int    `json:"other,omitempty"` // further broken promises
	ReadyMs     int64             `json:"readyMs"`         // restart to ready, the slowest
	CaughtUpMs  int64             `json:"caughtUpMs"`      // last restart to everything acked and delivered, 1.5 s of silence included
	Dropped     int               `json:"dropped,omitempty"`
	Error       string            `json:"error,omitempty"`
	First       []check.Violation `json:"first,omitempty"`
}

// CrashSummary is the sum over rounds.
type CrashSummary struct {
	Rounds, Red, Sent, Acked, Lost, Undelivered, Duplicated, Disordered, Other int
	MinRate                                                                    float64
}

// String is the summary line.
func (s CrashSummary) String() string {
	verdict := "ok"
	if s.Red > 0 || s.Rounds == 0 {
		verdict = "FAIL"
	}
	return fmt.Sprintf("%s: kill -9: %d rounds, %d red; sent %d, acked %d; acked lost %d, undelivered %d, duplicated in history %d, out of order %d, other %d; slowest round %.0f messages/s",
		verdict, s.Rounds, s.Red, s.Sent, s.Acked, s.Lost, s.Undelivered, s.Duplicated, s.Disordered, s.Other, s.MinRate)
}

func (s *CrashSummary) add(r CrashRound) {
	if s.Rounds++; !r.OK {
		s.Red++
	}
	if s.Rounds == 1 || r.Rate < s.MinRate {
		s.MinRate = r.Rate
	}
	s.Sent += r.Sent
	s.Acked += r.Acked
	s.Lost += r.Lost
	s.Undelivered += r.Undelivered
	s.Duplicated += r.Duplicated
	s.Disordered += r.Disordered
	for _, n := range r.Other {
		s.Other += n
	}
}

// ErrRed is returned when a round broke a promise.
var ErrRed = errors.New("promises were broken")

// Crash runs the rounds and prints a line for each. It returns ErrRed when any was red.
func Crash(ctx context.Context, o CrashOptions) (CrashSummary, error) {
	var sum CrashSummary
	done, err := readRounds(o.Out)
	if err != nil {
		return sum, err
	}
	for n := 1; n <= o.Rounds; n++ {
		if r, ok := done[n]; ok && r.OK {
			sum.add(r)
			_, _ = fmt.Fprintf(o.Log, "round %d: done before, acked %d\n", n, r.Acked)
			continue
		}
		r, err := crashRound(ctx, o, n)
		if err != nil && ctx.Err() != nil {
			return sum, ctx.Err()
		}
		if err != nil {
			r.Error = err.Error()
		}
		sum.add(r)
		if err := appendLine(o.Out, r); err != nil {
			return sum, err
		}
		verdict := "ok"
		if !r.OK {
			verdict = "RED"
		}
		_, _ = fmt.Fprintf(o.Log, "round %d: %s: killed after %.2f s at %.0f messages/s; acked %d (%d before), received %d (+%d repeated); lost %d, undelivered %d, duplicated %d, disordered %d, other %v; ready in %d ms, caught up in %d ms %s\n",
			n, verdict, r.KilledAfter, r.Rate, r.Acked, r.AckedBefore, r.Received, r.Repeated, r.Lost, r.Undelivered, r.Duplicated, r.Disordered, r.Other, r.ReadyMs, r.CaughtUpMs, r.Error)
		for _, v := range r.First {
			_, _ = fmt.Fprintf(o.Log, "  %s\n", v)
		}
	}
	if sum.Red > 0 {
		return sum, ErrRed
	}
	return sum, nil
}

// crashRound is one life, death and resurrection of a server on fresh data.
func crashRound(ctx context.Context, o CrashOptions, n int) (CrashRound, error) {
	res := CrashRound{Round: n, Seed: o.Seed + uint64(n), At: time.Now().UTC().Truncate(time.Second), Users: crashMembers}
	dir, err := os.MkdirTemp(o.Work, fmt.Sprintf("kill9-%d-", n))
	if err != nil {
		return res, fmt.Errorf("working folder: %w", err)
	}
	r := &rig{dir: dir, o: BenchOptions{Bin: o.Bin, Args: o.Args}}
	var c *crowd
	if err = r.start(ctx); err == nil {
		c = newCrowd(r, crashShape(), res.Seed, check.Options{Exact: true, AllListed: true, ClockSlack: 2 * time.Millisecond})
		c.drop = o.Drop
		err = (&crashRun{c, &res}).run(ctx)
	}
	err = errors.Join(err, r.close())
	if res.Error = ""; err != nil {
		res.OK = false
		return res, fmt.Errorf("%w (data and log are kept in %s)", err, dir)
	}
	if !res.OK {
		res.Error = "data, log and recorded history are kept in " + dir
		return res, c.record(filepath.Join(dir, "history.jsonl"))
	}
	return res, os.RemoveAll(dir)
}

// judge turns the checker's report into the round's figures.
func (r *CrashRound) judge(rep check.Report) {
	r.OK = rep.OK()
	r.Sent, r.Acked, r.Received, r.Repeated, r.Rows = rep.Sent, rep.Acked, rep.Received, rep.Repeated, rep.Rows
	r.Other = map[string]int{}
	for v, n := range rep.Counts {
		switch v {
		case check.Lost:
			r.Lost += n
		case check.Undelivered:
			r.Undelivered += n
		case check.Duplicate:
			r.Duplicated += n
		case check.Disorder:
			r.Disordered += n
		default:
			r.Other[string(v)] += n
		}
	}
	r.First = rep.Violations[:min(len(rep.Violations), 5)]
}

func readRounds(path string) (map[int]CrashRound, error) {
	out := map[int]CrashRound{}
	err := readLines(path, func(r CrashRound) { out[r.Round] = r })
	return out, err
}
