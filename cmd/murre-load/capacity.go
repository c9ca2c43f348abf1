package main

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/loadtest"
)

func newCapacity() *cobra.Command {
	cmd := &cobra.Command{Use: "capacity", Short: "How many machines, from measured costs"}
	cmd.AddCommand(newCapacityMeasure())
	return cmd
}

func newCapacityMeasure() *cobra.Command {
	var (
		o   loadtest.CostOptions
		out string
	)
	cmd := &cobra.Command{
		Use:   "measure",
		Short: "Measure what a connect, an idle connection, a message and a row cost",
		Long: `Starts a cluster of its own (three gateways, one Cassandra node, a Redis Cluster), lets people connect, be silent, and write at
a steady pace, and counts statements, round trips, CPU and bytes of each. Takes about ten minutes with the defaults.`,
		Args: cobra.NoArgs,
	}
	bin := serverFlag(cmd)
	cmd.Flags().StringVar(&o.Work, "work", filepath.Join(os.TempDir(), "murre-costs"), "folder for the cluster's data and logs")
	cmd.Flags().StringVar(&o.Subnet, "subnet", "127.0.26", "first three numbers of the cluster's loopback addresses")
	cmd.Flags().IntVar(&o.People, "people", 2000, "people who write to each other")
	cmd.Flags().IntVar(&o.Others, "others", 8000, "people who are connected and silent")
	cmd.Flags().IntVar(&o.Rate, "rate", 100, "messages a second")
	cmd.Flags().DurationVar(&o.Last, "last", 2*time.Minute, "how long people are silent, and then write")
	cmd.Flags().IntVar(&o.Rows, "rows", 50_000, "messages whose rows are weighed on disk")
	cmd.Flags().StringVar(&out, "out", "docs/bench/costs.json", "JSON file for the result")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Bin, o.Out = *bin, cmd.ErrOrStderr()
		if o.People < 4 || o.Rate < 1 || o.Rows < 1 || o.Last < 10*time.Second {
			return errors.New("--people 4 or more, --rate and --rows 1 or more, --last 10s or more")
		}
		res, err := loadtest.Costs(cmd.Context(), o)
		if res != nil {
			err = errors.Join(err, res.Table(cmd.OutOrStdout()))
		}
		if err != nil {
			return err
		}
		return res.Write(out)
	}
	return cmd
}
