package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/loadtest/report"
	"github.com/murre-chat/murre/loadtest/result"
)

func newCompare() *cobra.Command {
	var (
		out    string
		within float64
		each   []string
		l      report.Limits
	)
	cmd := &cobra.Command{
		Use:   "compare A.json B.json",
		Short: "Compare two runs: is the second one worse",
		Long: `Prints both runs' figures with their ratio and a verdict, and with --out writes a page with both runs' lines in each plot.
Exit status 1 when a metric that decides (marked ✓ or ✗) is worse in B by more than the limit, or when B's own
thresholds or its checker were red.

Measure pairs: two runs of one machine, one after the other. Figures of different days say little about each other.`,
		Example: `  murre-load compare before.json after.json
  murre-load compare before.json after.json --within 5 --limit 'delivery p99, steady=1.5' -o pair.html`,
		Args: cobra.ExactArgs(2),
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "HTML file to write")
	cmd.Flags().Float64Var(&within, "within", 10, "percent by which a metric may be worse")
	cmd.Flags().StringArrayVar(&each, "limit", nil, "NAME=RATIO: how much worse one metric may be, such as 'ack p99, steady=1.5'; may be repeated")
	cmd.Flags().StringArrayVar(&l.Ignored, "ignore", nil, "a metric that doesn't decide; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if within < 0 {
			return errors.New("--within must not be negative")
		}
		l.All, l.ByName = 1+within/100, map[string]float64{}
		for _, e := range each {
			at := strings.LastIndexByte(e, '=')
			ratio, err := strconv.ParseFloat(e[at+1:], 64)
			if at < 1 || err != nil || ratio < 1 {
				return fmt.Errorf("--limit %q: want NAME=RATIO, the ratio 1 or more", e)
			}
			l.ByName[e[:at]] = ratio
		}
		a, err := result.Read(args[0])
		if err != nil {
			return err
		}
		b, err := result.Read(args[1])
		if err != nil {
			return err
		}
		c, err := report.Compare(a, b, l)
		if err != nil {
			return err
		}
		if err := c.WriteText(cmd.OutOrStdout()); err != nil {
			return err
		}
		if out != "" {
			if err := writePage(out, func(f *os.File) error { return c.WriteHTML(f) }); err != nil {
				return err
			}
		}
		if !c.OK {
			return errors.New("the second run is worse")
		}
		return nil
	}
	return cmd
}
