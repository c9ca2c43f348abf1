package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/loadtest"
)

func newFaults() *cobra.Command {
	var o loadtest.FaultOptions
	cmd := &cobra.Command{
		Use:   "faults",
		Short: "Break a cluster under load in every way there is, and check that every promise was kept",
		Long: `Starts a cluster of its own as plain processes (Cassandra, a Redis Cluster of six, MinIO, three gateways behind HAProxy) and
sends steady load through the balancer: 200 messages a second of 300 people, one in 20 to groups, with replies, reads, edits,
deletions and second devices. Then one thing is broken; people reconnect and send again as clients do. When
live delivery is back (99 of 100 receptions of a second's messages within 1 s) the load ends, and what everybody received
and what history holds is judged: nothing acked lost, doubled or reordered, no status back, nothing left pending,
` + "`synced`" + ` never lied. One JSON line a run, a table at the end, status 1 when a run was red (its history is kept).

Faults: ` + strings.Join(loadtest.FaultNames(), "\n        "),
		Example: `  murre-load faults                                # five runs each; continues where it was stopped
  murre-load faults --only gateway-kill9,drain --times 1
  murre-load faults --short                        # what is fast, once, on one Cassandra node`,
		Args: cobra.NoArgs,
	}
	bin := serverFlag(cmd)
	cmd.Flags().StringSliceVar(&o.Only, "only", nil, "faults to run, separated by commas")
	cmd.Flags().IntVar(&o.Times, "times", 0, "runs of each fault to have in all (default 5; 1 with --short)")
	cmd.Flags().BoolVar(&o.Short, "short", false, "only what is fast, with small times, on one Cassandra node")
	cmd.Flags().StringVar(&o.Out, "out", "", "file to append one JSON line a run to; runs that are green in it for this server aren't done again (default verify/faults.jsonl; none with --short)")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "seed of the load")
	cmd.Flags().IntVar(&o.Rate, "rate", 0, "messages a second (default 200; 100 with --short)")
	cmd.Flags().IntVar(&o.Nodes, "cassandra", 0, "Cassandra nodes (default: one, three where the fault is about one of three)")
	cmd.Flags().StringVar(&o.Work, "work", filepath.Join(os.TempDir(), "murre-faults"), "folder for the cluster's data and logs, and for the histories of red runs")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Bin, o.Log = *bin, cmd.OutOrStdout()
		if _, err := os.Stat(o.Bin); err != nil {
			return fmt.Errorf("the server's binary: %w", err)
		}
		if o.Times == 0 && o.Short {
			o.Times = 1
		} else if o.Times == 0 {
			o.Times = 5
		}
		if o.Out == "" && !o.Short {
			o.Out = "verify/faults.jsonl"
		}
		return loadtest.Faults(cmd.Context(), o)
	}
	return cmd
}
