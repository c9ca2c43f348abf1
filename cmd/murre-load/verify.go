package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/loadtest"
)

func newVerify() *cobra.Command {
	cmd := &cobra.Command{Use: "verify", Short: "Break things under load and check that every promise was kept"}
	cmd.AddCommand(newKill9())
	return cmd
}

func newKill9() *cobra.Command {
	var o loadtest.CrashOptions
	cmd := &cobra.Command{
		Use:   "kill9",
		Short: "kill -9 the server under load, start it again, check what clients got and what history holds",
		Long: `Each round: 200 people online (20 with two devices) and 56 away write at least 2,000 messages a second to each other and
to a group of 256; the server is killed at a random moment and started again on its data; everybody comes back, sends
again what wasn't acked, and goes quiet. Then what each device received and what history holds is checked: nothing acked
is lost, undelivered, doubled or out of order, ` + "`synced`" + ` and receipts told the truth, nothing is left pending.

Ends with a summary line, and with status 1 when a round was red; such a round keeps its data and its recorded history.
With --drop 10000 one received message in 10,000 is dropped before it is recorded: that must be red.`,
		Example: `  murre-load verify kill9 --rounds 3
  murre-load verify kill9 --rounds 50 --out verify/kill9.jsonl     # continues where it was stopped`,
		Args: cobra.NoArgs,
	}
	bin := serverFlag(cmd)
	cmd.Flags().IntVar(&o.Rounds, "rounds", 3, "rounds to have in all")
	cmd.Flags().StringVar(&o.Out, "out", "", "file to append one JSON line a round to; rounds that were ok in it aren't run again")
	cmd.Flags().IntVar(&o.Drop, "drop", 0, "drop one in so many received messages before recording (the checker must go red)")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "seed of the load and of the moments of death")
	cmd.Flags().StringVar(&o.Work, "work", "", "folder for the servers' data (default: the system's temporary folder)")
	cmd.Flags().StringArrayVar(&o.Args, "serve-flag", nil, "a further flag for the server, may be repeated")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Bin, o.Log = *bin, cmd.OutOrStdout()
		if _, err := os.Stat(o.Bin); err != nil {
			return fmt.Errorf("the server's binary: %w", err)
		}
		sum, err := loadtest.Crash(cmd.Context(), o)
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), sum)
		return err
	}
	return cmd
}
