// Command murre-load measures a Murre server (bench) and checks that it keeps its promises when it is killed (verify).
// It starts the server binary itself.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "murre-load",
		Short:         "Measure a Murre server, or kill it under load and check what is left",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newBench(), newVerify(), newFaults(), newRun(), newWorker(), newReport(), newCompare(), newCapacity())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "murre-load:", err)
		stop()
		os.Exit(1)
	}
}

// serverFlag registers --server: the binary under test, by default the murre beside this one.
func serverFlag(cmd *cobra.Command) *string {
	beside := "bin/murre"
	if own, err := os.Executable(); err == nil {
		beside = filepath.Join(filepath.Dir(own), "murre")
	}
	return cmd.Flags().String("server", beside, "the murre binary to start")
}
