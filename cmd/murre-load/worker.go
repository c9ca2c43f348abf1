package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/loadtest/worker"
)

func newWorker() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Be clients of a run that is conducted elsewhere",
		Long: `Takes commands on standard input and answers on standard output: that is how murre-load run starts its workers here and,
by ssh, on other machines. With --listen it waits for controllers, and starts a process for each connection that comes.

Whoever can connect there can send load from this machine to anywhere: listen on a private network only.`,
		Example: `  murre-load worker --listen 10.0.0.7:7010       # workers: {machines: ["tcp:10.0.0.7:7010"]}`,
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&listen, "listen", "", "host:port to wait on for controllers")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if listen == "" {
			return worker.Serve(cmd.Context(), os.Stdin, os.Stdout)
		}
		return listenForControllers(cmd.Context(), listen)
	}
	return cmd
}

// listenForControllers gives each connection a process of its own: descriptors are counted by process.
func listenForControllers(ctx context.Context, addr string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find myself: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen for controllers: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	fmt.Fprintln(os.Stderr, "waiting for controllers on", l.Addr())
	var children sync.WaitGroup
	defer children.Wait()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("listen for controllers: %w", err)
		}
		f, err := c.(*net.TCPConn).File()
		_ = c.Close() // f is a copy
		if err != nil {
			return fmt.Errorf("listen for controllers: %w", err)
		}
		child := exec.CommandContext(ctx, self, "worker")
		child.Stdin, child.Stdout, child.Stderr = f, f, os.Stderr
		err = child.Start()
		_ = f.Close()
		if err != nil {
			return fmt.Errorf("start a worker: %w", err)
		}
		children.Add(1)
		go func() {
			defer children.Done()
			_ = child.Wait() // it has told its controller, and standard error, what was wrong
		}()
	}
}
