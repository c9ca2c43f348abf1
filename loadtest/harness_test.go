package loadtest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func crash(t *testing.T, o CrashOptions) (CrashSummary, string, error) {
	t.Helper()
	var log bytes.Buffer
	o.Bin, o.Work, o.Log, o.Seed = os.Args[0], t.TempDir(), &log, 7
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	sum, err := Crash(ctx, o)
	return sum, log.String(), err
}

func TestKill9IsGreenOnAServerThatKeepsItsPromises(t *testing.T) {
	out := filepath.Join(t.TempDir(), "rounds.jsonl")
	sum, log, err := crash(t, CrashOptions{Rounds: 1, Out: out})
	if err != nil || sum.Red != 0 || sum.Acked < 2000 {
		t.Fatalf("%v, %s\n%s", err, sum, log)
	}
	again, log, err := crash(t, CrashOptions{Rounds: 1, Out: out})
	if err != nil || again.Acked != sum.Acked {
		t.Fatalf("the round wasn't taken from the file: %v, %s\n%s", err, again, log)
	}
}

func TestKill9IsRed(t *testing.T) {
	for _, tc := range []struct {
		name, sin string
		drop      int
		found     func(CrashSummary) int
	}{
		{"when one received message in 10,000 is dropped", "", 10_000, func(s CrashSummary) int { return s.Undelivered }},
		{"on a server that forgets", "forget", 0, func(s CrashSummary) int { return s.Undelivered }},
		{"on a server whose history has holes", "lose", 0, func(s CrashSummary) int { return s.Lost }},
		{"on a server that stores a resend again", "double", 0, func(s CrashSummary) int { return s.Duplicated }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("MURRE_FAKE_SIN", tc.sin)
			sum, log, err := crash(t, CrashOptions{Rounds: 1, Drop: tc.drop})
			if !errors.Is(err, ErrRed) || tc.found(sum) == 0 {
				t.Errorf("%v, %s\n%s", err, sum, log)
			}
		})
	}
}

func TestBenchRuns(t *testing.T) {
	var log bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	res, err := Bench(ctx, BenchOptions{Bin: os.Args[0], Work: t.TempDir(), Runs: 1, Form: Short, Out: &log, Only: []string{"idle", "closed", "open", "group", "catchup", "storm"}})
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	var table bytes.Buffer
	if err := res.Table(&table); err != nil {
		t.Fatal(err)
	}
	for _, f := range res.Figures {
		if f.Median <= 0 && f.Unit != "s" && f.Unit != "KiB" {
			t.Errorf("%s: %v", f.Name, f.Median)
		}
	}
	t.Log(table.String())
	if err := res.Write(filepath.Join(t.TempDir(), "a", "b.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := Bench(ctx, BenchOptions{Bin: os.Args[0], Only: []string{"nothing"}, Out: &log}); err == nil {
		t.Error("an unknown scenario was taken")
	}
}

func TestTextCarriesItsNumber(t *testing.T) {
	for _, n := range []int64{0, 1, 1 << 40, 1<<63 - 1} {
		s := text(n)
		if got, err := numberIn(s); err != nil || got != n || len(s) != textBytes {
			t.Errorf("%d: %q (%d bytes) holds %d, %v", n, s, len(s), got, err)
		}
	}
}
