// Command servers starts, ends and lists the servers that tests share (package servers).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/deploy/native/servers"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		args = []string{"status"}
	}
	names := args[1:]
	switch args[0] {
	case "up":
		if len(names) == 0 {
			names = servers.Common()
		}
		g, ctx := errgroup.WithContext(ctx)
		for _, name := range names {
			g.Go(func() error { _, err := servers.Up(ctx, name); return err })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		return servers.Status(os.Stdout)
	case "down":
		return servers.Down(ctx, names...)
	case "status":
		return servers.Status(os.Stdout)
	}
	return errors.New("usage: servers up|down|status [set …]")
}
