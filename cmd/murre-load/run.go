package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/murre-chat/murre/deploy/native"
	"github.com/murre-chat/murre/loadtest/conduct"
	"github.com/murre-chat/murre/loadtest/netns"
	"github.com/murre-chat/murre/loadtest/notation"
	"github.com/murre-chat/murre/loadtest/progress"
	"github.com/murre-chat/murre/loadtest/report"
	"github.com/murre-chat/murre/loadtest/result"
	"github.com/murre-chat/murre/loadtest/scenario"
)

// errRed is the end of a run that was red: its result says why.
var errRed = errors.New("the run is red")

func newRun() *cobra.Command {
	var (
		o   conduct.Options
		out string
	)
	cmd := &cobra.Command{
		Use:   "run SCENARIO.yaml",
		Short: "Drive a server with a scenario: thousands to millions of people who connect, chat, leave and come back",
		Long: `Brings up what the scenario names (one server, a cluster of plain processes, or nothing when it names gateways that run),
writes the population into the store, starts workers, and lets people do what the scenario says. Meanwhile it checks that
the server keeps its promises: nothing lost, doubled, reordered or shown to others, no receipt or synced that lied.

In the end there are a JSON file, a page beside it, and a summary. The status is 1 when a promise was broken, a threshold
of the scenario wasn't kept, or the run could not be finished.

Every worker is a process with up to 19,000 connections; machines other than this one are named in the scenario.
The scenarios that come with Murre are in loadtest/scenarios; what each field means is in loadtest/scenario/scenario.go.`,
		Example: `  murre-load run loadtest/scenarios/smoke.yaml
  murre-load run loadtest/scenarios/million.yaml --out docs/runs/million.json`,
		Args: cobra.ExactArgs(1),
	}
	bin := serverFlag(cmd)
	cmd.Flags().StringVar(&out, "out", "", "JSON file for the result; the page goes beside it (default verify/load/NAME.json)")
	cmd.Flags().StringVar(&o.Work, "work", filepath.Join(os.TempDir(), "murre-run"), "folder for the servers' data and logs")
	cmd.Flags().StringVar(&o.Subnet, "subnet", "", "three numbers of the cluster's addresses, such as 127.0.30 (default: free ones)")
	cmd.Flags().BoolVar(&o.Keep, "keep", false, "keep data and logs of a green run too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		sc, err := scenario.Read(args[0])
		if err != nil {
			return err
		}
		if o.Worker, err = os.Executable(); err != nil {
			return fmt.Errorf("find myself: %w", err)
		}
		if sc.Network.Own && !netns.Inside() {
			return apart(cmd.Context(), o.Worker, sc)
		}
		o.Scenario, o.Log = sc, cmd.ErrOrStderr()
		if sc.Server.Engine != scenario.Targets {
			if _, err := os.Stat(*bin); err != nil {
				return fmt.Errorf("the server's binary: %w", err)
			}
			o.Server = *bin
		}
		o.Command = "murre-load run " + filepath.Base(args[0])
		if out == "" {
			out = filepath.Join("verify", "load", sc.Name+".json")
		}
		screen := int(os.Stderr.Fd())
		show := progress.New(os.Stderr, term.IsTerminal(screen), conduct.Total(sc))
		show.Columns = func() int {
			columns, _, _ := term.GetSize(screen) // unknown: 0
			return columns
		}
		o.Display = show
		res, err := conduct.Run(cmd.Context(), o)
		show.Close()
		summarize(cmd.OutOrStdout(), res)
		page := strings.TrimSuffix(out, filepath.Ext(out)) + ".html"
		err = errors.Join(err, res.Write(out))
		if e := writePage(page, func(f *os.File) error { return report.WriteHTML(f, res) }); e != nil {
			return errors.Join(err, e)
		}
		fmt.Fprintln(cmd.OutOrStdout(), out, page)
		if err == nil && !res.OK {
			err = errRed
		}
		return err
	}
	return cmd
}

// apart runs this command again, in a network of its own.
func apart(ctx context.Context, self string, sc *scenario.Scenario) error {
	if sc.Server.Engine == scenario.Cluster {
		if err := native.Fetch(ctx, native.Versity); err != nil {
			return fmt.Errorf("what the cluster needs: %w", err)
		}
	}
	again := exec.CommandContext(ctx, self, os.Args[1:]...)
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.Cancel = func() error { return again.Process.Signal(syscall.SIGTERM) }
	if err := netns.Start(again, sc.Network.Buckets); err != nil {
		return err
	}
	var status *exec.ExitError
	if err := again.Wait(); errors.As(err, &status) && status.Exited() {
		os.Exit(status.ExitCode()) // it has said why
	} else if err != nil {
		return fmt.Errorf("the run in a network of its own: %w", err)
	}
	return nil
}

// summarize prints what a run came to.
func summarize(w io.Writer, r *result.Run) {
	for _, l := range r.Latencies {
		fmt.Fprintf(w, "%-9s %-7s %9d  p50 %s ms  p99 %s ms  p99.9 %s ms  max %s ms\n", l.Name, l.Phase, l.Count,
			notation.Digits(l.P50), notation.Digits(l.P99), notation.Digits(l.P999), notation.Digits(l.Max))
	}
	c := r.Check
	fmt.Fprintf(w, "checked   %d messages, %d receptions in %d conversations, %d unknown\n", c.Messages, c.Receptions, c.Conversations, c.Unknown)
	for _, f := range c.Found {
		fmt.Fprintf(w, "  BROKEN  %s: %d (invariant %d)\n", f.Kind, f.Count, f.Invariant)
	}
	for _, v := range c.Examples[:min(len(c.Examples), 10)] {
		fmt.Fprintf(w, "          %s: user %s conversation %s message %s: %s\n", v.Kind, v.User, v.Conversation, v.Message, v.Detail)
	}
	for _, t := range r.Limits {
		verdict, order := "kept", "at most"
		if !t.OK {
			verdict = "NOT KEPT"
		}
		if t.Least {
			order = "at least"
		}
		fmt.Fprintf(w, "  %-8s %s: %s %s, %s %s\n", verdict, t.Name, notation.Digits(t.Got), t.Unit, order, notation.Digits(t.Limit))
	}
	switch {
	case r.Failure != "":
		fmt.Fprintln(w, "ended early:", r.Failure)
	case r.OK:
		fmt.Fprintln(w, "green")
	default:
		fmt.Fprintln(w, "red")
	}
}
