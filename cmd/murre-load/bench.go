package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/loadtest"
)

func newBench() *cobra.Command {
	var (
		o           loadtest.BenchOptions
		short, long bool
		out         string
	)
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure: idle cost, connects, 1:1, groups, catch-up, history, storm, fsyncs",
		Long: `Starts the server on free ports, drives it from this process over the loopback, and prints one table: ours, the target,
what peers did. A figure is the median of --runs runs, each on a fresh server. Client and server share the machine.

Scenarios: ` + strings.Join(loadtest.ScenarioNames(), "\n           ") + `

Standard takes about five minutes; --short (half a minute) only shows that everything runs; --long loads ten million
messages first.
It wants 20,000 file descriptors for itself and as many for the server (ulimit -n 20000).`,
		Example: `  murre-load bench
  murre-load bench --only closed,group --runs 5
  murre-load bench --short`,
		Args: cobra.NoArgs,
	}
	bin := serverFlag(cmd)
	cmd.Flags().BoolVar(&short, "short", false, "the shortest form: one small run each, no targets")
	cmd.Flags().BoolVar(&long, "long", false, "the long form: more time, ten million messages of history")
	cmd.Flags().IntVar(&o.Runs, "runs", 3, "runs of each scenario; figures are medians")
	cmd.Flags().StringSliceVar(&o.Only, "only", nil, "scenarios to run, separated by commas")
	cmd.Flags().StringVar(&o.Work, "work", "", "folder for the servers' data (default: the system's temporary folder)")
	cmd.Flags().StringVar(&out, "out", "", "JSON file for the result (default docs/bench/<form>.json; none with --only or --short)")
	cmd.Flags().StringVar(&o.Profiles, "profiles", "", "folder for the server's CPU profiles under load and its heap when idle (go tool pprof)")
	cmd.Flags().StringArrayVar(&o.Args, "serve-flag", nil, "a further flag for the server, may be repeated")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Bin, o.Out = *bin, cmd.ErrOrStderr()
		switch {
		case short && long:
			return errors.New("--short or --long, not both")
		case short:
			o.Form, o.Runs = loadtest.Short, 1
		case long:
			o.Form = loadtest.Long
		default:
			o.Form = loadtest.Standard
		}
		res, err := loadtest.Bench(cmd.Context(), o)
		if res != nil {
			err = errors.Join(err, res.Table(cmd.OutOrStdout()))
		}
		if err != nil {
			return err
		}
		if out == "" && len(o.Only) == 0 && !short {
			out = "docs/bench/" + res.Form + ".json"
		}
		if out == "" {
			return nil
		}
		return res.Write(out)
	}
	return cmd
}
