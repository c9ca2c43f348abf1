package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/loadtest"
	"github.com/murre-chat/murre/loadtest/capacity"
	"github.com/murre-chat/murre/loadtest/report"
	"github.com/murre-chat/murre/loadtest/result"
)

func newCapacity() *cobra.Command {
	var (
		bench, runs string
		users, rate float64
		datacenters int
		set, write  []string
		sensitivity bool
		costs       bool
		plot        string
	)
	load := capacity.People()
	cmd := &cobra.Command{
		Use:   "capacity",
		Short: "How many machines a load needs, from measured costs",
		Long: `Computes gateways, store nodes, Redis shards, network and disk for a load, from the costs in docs/bench and stated assumptions.
Each number has a name (--costs lists them), and --set replaces it: your own measurement, your own users, your own machines.
With --write the computed blocks of documents are written anew from all measurements.`,
		Example: `  murre-load capacity --users 50e6 --rate 100e3
  murre-load capacity --users 50e6 --rate 100e3 --datacenters 3 --set claim-hours=1 --sensitivity
  murre-load capacity --write docs/capacity.md,docs/scaling.md,docs/million.md,docs/performance.md --plot docs/scaling.svg`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&bench, "bench", "docs/bench", "folder of measurements: costs.json, cluster.json, standard.json")
	cmd.Flags().StringVar(&runs, "runs", "docs", "folder under which results of load runs are")
	cmd.Flags().Float64Var(&users, "users", 1e6, "users connected at once")
	cmd.Flags().Float64Var(&rate, "rate", 2000, "messages a second")
	cmd.Flags().IntVar(&datacenters, "datacenters", 1, "datacenters; with more than one, one may be away")
	cmd.Flags().StringArrayVar(&set, "set", nil, "NAME=VALUE: replace a number; may be repeated")
	cmd.Flags().BoolVar(&sensitivity, "sensitivity", false, "print what changes the answer most")
	cmd.Flags().BoolVar(&costs, "costs", false, "print all numbers and where they come from")
	cmd.Flags().StringVar(&plot, "plot", "", "SVG file to write: memory by connections in the ramps of the runs")
	cmd.Flags().StringSliceVar(&write, "write", nil, "documents whose computed blocks are written anew")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m, err := capacity.Read(bench)
		if err != nil {
			return err
		}
		if len(write) > 0 || plot != "" {
			return writeBlocks(m, bench, runs, write, plot)
		}
		load, shape := load.In(datacenters), capacity.Machines()
		load.Users, load.Messages = users, rate
		for _, s := range set {
			name, text, _ := strings.Cut(s, "=")
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return fmt.Errorf("--set %q: want NAME=VALUE", s)
			}
			if err := capacity.Set(name, v, m, &load, &shape); err != nil {
				return fmt.Errorf("--set %q: %w", s, err)
			}
		}
		p, err := capacity.Compute(load, &m.Costs, shape)
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if _, err := fmt.Fprint(out, capacity.PlanTable([]*capacity.Plan{p})); err != nil {
			return err
		}
		if costs {
			for _, q := range [][]capacity.Quantity{m.Quantities(), load.Quantities(), shape.Quantities()} {
				if _, err := fmt.Fprintf(out, "\n%s", capacity.QuantityTable(q)); err != nil {
					return err
				}
			}
		}
		if sensitivity {
			effects, err := capacity.Sensitivity(load, m, shape)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "\n%s", capacity.EffectTable(effects, len(effects)))
			return err
		}
		return nil
	}
	cmd.AddCommand(newCapacityMeasure())
	return cmd
}

// writeBlocks computes the blocks of documents, and the plot, from all measurements.
func writeBlocks(m *capacity.Measured, bench, dir string, documents []string, plot string) error {
	runs, err := capacity.ReadRuns(dir)
	if err != nil {
		return err
	}
	if plot != "" {
		if err := writePage(plot, func(f *os.File) error { return report.WriteLines(f, runs) }); err != nil {
			return err
		}
	}
	blocks, err := allBlocks(m, runs, bench)
	if err != nil {
		return err
	}
	for _, name := range documents {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("write blocks: %w", err)
		}
		filled, err := capacity.Fill(string(text), blocks)
		if err != nil {
			return fmt.Errorf("write blocks: %s: %w", name, err)
		}
		if err := os.WriteFile(name, []byte(filled), 0o644); err != nil {
			return fmt.Errorf("write blocks: %w", err)
		}
	}
	return nil
}

// allBlocks are the computed parts of documents: the model's, and what each bench measured.
func allBlocks(m *capacity.Measured, runs []*result.Run, bench string) (map[string]string, error) {
	blocks, err := capacity.Blocks(m, runs)
	if err != nil {
		return nil, err
	}
	for _, form := range []string{"standard", "long", "cluster", "cluster-3"} {
		r, err := loadtest.ReadResult(filepath.Join(bench, form+".json"))
		switch {
		case errors.Is(err, os.ErrNotExist):
			blocks["bench-"+form] = "Not measured yet.\n"
		case err != nil:
			return nil, err
		default:
			blocks["bench-"+form] = r.Markdown()
		}
	}
	return blocks, nil
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
a steady pace, and counts statements, round trips, CPU and bytes of each. Takes about ten minutes with the defaults.
It wants 12,000 file descriptors for itself (ulimit -n 20000), and root, as others may not read what sockets take.`,
		Args: cobra.NoArgs,
	}
	bin := serverFlag(cmd)
	cmd.Flags().StringVar(&o.Work, "work", filepath.Join(os.TempDir(), "murre-costs"), "folder for the cluster's data and logs")
	cmd.Flags().StringVar(&o.Subnet, "subnet", "127.0.26", "first three numbers of the cluster's loopback addresses")
	cmd.Flags().IntVar(&o.People, "people", 2000, "people who write to each other")
	cmd.Flags().IntVar(&o.Others, "others", 8000, "people who are connected and silent")
	cmd.Flags().IntVar(&o.Rate, "rate", 500, "messages a second: about half of what the machine can do")
	cmd.Flags().DurationVar(&o.Last, "last", 2*time.Minute, "how long nobody is there, people are silent, and then write")
	cmd.Flags().IntVar(&o.Rows, "rows", 50_000, "messages whose rows are weighed on disk")
	cmd.Flags().StringVar(&out, "out", "docs/bench/costs.json", "JSON file for the result")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Bin, o.Out = *bin, cmd.ErrOrStderr()
		if o.People < 20 || o.Rate < 1 || o.Rows < 1 || o.Last < 10*time.Second {
			return errors.New("--people 20 or more, --rate and --rows 1 or more, --last 10s or more")
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
