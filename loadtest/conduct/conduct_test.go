package conduct

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/loadtest/result"
	"github.com/murre-chat/murre/loadtest/scenario"
	"github.com/murre-chat/murre/loadtest/worker"
)

// TestMain is the test, or a worker of one.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "worker" {
		if err := worker.Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// silent shows nothing.
type silent struct{}

func (silent) Update(result.Point) {}
func (silent) Event(result.Event)  {}
func (silent) Say(string)          {}

const small = `
name: small
about: Sixty people in three processes for three seconds.
users: {count: 60}
groups: {count: 6, min: 4, max: 12}
workers: {each: 20}
ramp: {rate: 1000, window: 30, settle: 100ms}
duration: 3s
points: 200ms
messages: {rate: 150, groupShare: 0.3, reply: 0.2, think: 100ms}
reading: {share: 0.5, after: 100ms}
typing: {share: 0.1, before: 50ms}
churn: {perHour: 600, away: 200ms}
storm: {at: 500ms, count: 20, away: 300ms, spread: 200ms, pending: 2}
check: {quiet: 20s, again: 60, histories: 40}
thresholds:
  connected: 60
  rate: 20
`

// drive drives a fake server that commits a sin. workers are further fields of the scenario's workers.
func drive(t *testing.T, text, sin string, workers ...string) *result.Run {
	t.Helper()
	for _, field := range workers {
		text = strings.Replace(text, "workers: {", "workers: {"+field+", ", 1)
	}
	sc, err := scenario.Parse([]byte(text))
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	r := newRun(Options{Scenario: sc, Worker: self, Work: t.TempDir(), Display: silent{}, Log: io.Discard})
	f, err := newFake(r.p, sin)
	require.NoError(t, err)
	r.stage = f
	res, err := r.do(t.Context())
	require.NoError(t, err)
	return res
}

// TestGreen: a server that keeps its promises is called green, and everything that was done is in the result.
func TestGreen(t *testing.T) {
	r := drive(t, small, honest)
	require.True(t, r.OK, "%+v %+v", r.Check, r.Limits)
	require.Len(t, r.Workers, 3)
	require.Positive(t, r.Check.Messages)
	require.Equal(t, r.Totals.Acked, r.Check.Messages)
	require.Equal(t, r.Totals.Due, r.Totals.Sent)
	require.GreaterOrEqual(t, r.Totals.Connects, int64(60+20+60))
	require.Positive(t, r.Totals.CaughtUp)
	require.Positive(t, r.Totals.Receipts)
	for _, name := range []string{result.LatencyAck, result.LatencyDelivery, result.LatencyReceipt, result.LatencyConnect, result.LatencyCatchup} {
		l, ok := r.Latency(name, "all")
		require.True(t, ok, name)
		require.Positive(t, l.P50)
		require.GreaterOrEqual(t, l.Max, l.P99)
		require.NotEmpty(t, l.Curve)
		require.NotEmpty(t, l.HDR)
	}
	acks, _ := r.Latency(result.LatencyAck, "all")
	require.LessOrEqual(t, acks.Count, r.Totals.Acked, "what absent senders made late isn't timed")
	require.Greater(t, acks.Count, r.Totals.Acked*9/10)
	var kinds []string
	for _, e := range r.Events {
		kinds = append(kinds, e.Kind)
	}
	for _, kind := range []string{result.EventRampBegins, result.EventRampDone, result.EventStorm, result.EventStormOver, result.EventStormBack, result.EventSteadyDone, result.EventDrainDone} {
		require.Contains(t, kinds, kind)
	}
	require.Greater(t, len(r.Series.Points), 10)
	peak := 0
	for _, p := range r.Series.Points {
		peak = max(peak, p.Connected)
	}
	require.Equal(t, 60, peak)
}

// TestRed: each sin is found in a whole run, with senders and receivers in different processes.
func TestRed(t *testing.T) {
	for sin, want := range map[string]string{
		loses: result.Lost, forgetsHistory: result.Lost, doubles: result.Doubled, reorders: result.Reordered, misdelivers: result.WrongRecipient,
		alters: result.Altered, statusBack: result.StatusBack, statusFalse: result.StatusFalse, syncedLies: result.SyncedLied,
		keepsPending: result.PendingLeft, storesRefused: result.Rejected,
	} {
		t.Run(sin, func(t *testing.T) {
			t.Parallel()
			// Quiet isn't reached when something is lost.
			r := drive(t, strings.Replace(small, "quiet: 20s", "quiet: 2s", 1), sin)
			require.False(t, r.OK)
			require.False(t, r.Check.OK)
			var kinds []string
			for _, f := range r.Check.Found {
				kinds = append(kinds, f.Kind)
			}
			require.Contains(t, kinds, want, "%+v", r.Check)
		})
	}
}

// TestRepeats: showing everything twice breaks no promise, but a threshold.
func TestRepeats(t *testing.T) {
	r := drive(t, small, repeats)
	require.True(t, r.Check.OK, "%+v", r.Check)
	require.False(t, r.OK)
	require.Positive(t, r.Repeated)
}

// TestThresholds: what isn't kept makes a run red, and says by how much.
func TestThresholds(t *testing.T) {
	r := drive(t, strings.Replace(small, "rate: 20\n", "rate: 20000\n", 1), honest)
	require.True(t, r.Check.OK, "%+v", r.Check)
	require.False(t, r.OK)
	for _, l := range r.Limits {
		require.Equal(t, l.Name != "rate", l.OK, "%+v", l)
	}
}
