package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/loadtest"
)

func newBench() *cobra.Command {
	var (
		o           loadtest.BenchOptions
		short, long bool
		cluster     bool
		out         string
	)
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure: idle cost, connects, 1:1, groups, catch-up, history, storm, fsyncs",
		Long: `Starts the server on free ports, drives it from this process over the loopback, and prints one table: ours, the target,
what peers did. A figure is the median of --runs runs, each on a fresh server. Client and server share the machine.

Scenarios: ` + strings.Join(loadtest.ScenarioNames(), "\n           ") + `

With --cluster a cluster is started and measured instead: three gateways, Cassandra, a Redis Cluster, MinIO, all on this
machine, and beside it the driver alone writing the same rows.
Scenarios: ` + strings.Join(loadtest.ClusterScenarioNames(), "\n           ") + `

Standard takes about five minutes; --short (half a minute) only shows that everything runs; --long loads ten million
messages first.
It wants 20,000 file descriptors for itself and as many for the server (ulimit -n 20000).`,
		Example: `  murre-load bench
  murre-load bench --only closed,group --runs 5
  murre-load bench --short
  murre-load bench --cluster --cassandra 3 --only closed,counts`,
		Args: cobra.NoArgs,
	}
	bin := serverFlag(cmd)
	cmd.Flags().BoolVar(&short, "short", false, "the shortest form: one small run each, no targets")
	cmd.Flags().BoolVar(&long, "long", false, "the long form: more time, ten million messages of history")
	cmd.Flags().BoolVar(&cluster, "cluster", false, "measure a cluster")
	cmd.Flags().IntVar(&o.Cassandra, "cassandra", 1, "with --cluster: Cassandra nodes; 3: every row is on all of them")
	cmd.Flags().IntVar(&o.Runs, "runs", 3, "runs of each scenario; figures are medians")
	cmd.Flags().StringSliceVar(&o.Only, "only", nil, "scenarios to run, separated by commas")
	cmd.Flags().StringVar(&o.Work, "work", "", "folder for the servers' data (default: the system's temporary folder)")
	cmd.Flags().StringVar(&out, "out", "", "JSON file for the result (default docs/bench/<form>.json, docs/bench/cluster.json with --cluster; none with --only or --short)")
	cmd.Flags().StringVar(&o.Profiles, "profiles", "", "folder for the server's CPU profiles under load and its heap when idle (go tool pprof)")
	cmd.Flags().StringArrayVar(&o.Args, "serve-flag", nil, "a further flag for the server, may be repeated")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Bin, o.Out = *bin, cmd.ErrOrStderr()
		if !cluster {
			o.Cassandra = 0
		} else if o.Cassandra != 1 && o.Cassandra != 3 {
			return errors.New("--cassandra 1 or 3")
		}
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
		if err != nil && !cluster {
			return err
		}
		if out == "" && len(o.Only) == 0 && !short {
			out = "docs/bench/" + res.Form + ".json"
			if cluster {
				out = "docs/bench/cluster"
				if o.Cassandra > 1 {
					out += fmt.Sprint("-", o.Cassandra)
				}
				if long {
					out += "-long"
				}
				out += ".json"
			}
		}
		if out == "" || res == nil || len(res.Figures) == 0 {
			return err
		}
		return errors.Join(err, res.Write(out)) // of a cluster what was measured is written, whatever else went wrong
	}
	return cmd
}
