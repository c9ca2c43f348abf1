package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/pkg/app"
	"github.com/murre-chat/murre/pkg/config"
	"github.com/murre-chat/murre/pkg/observe"
)

func newServe() *cobra.Command {
	cfg := config.Default()
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve: WebSocket, REST and the embedded store in one process",
		Long: `Serves until it gets SIGTERM or SIGINT, then drains: stops accepting, tells clients to reconnect in waves, flushes, exits.
A second signal ends it at once; nothing that was acked is lost by that either.

Each option can be set by its flag, by MURRE_ and its name in capitals (MURRE_LOG_LEVEL), or in the YAML file that --config
names (log-level: debug). A flag outranks the environment, which outranks the file. Rates add up by name.`,
		Example: `  murre serve
  murre serve --listen 0.0.0.0:8080 --data /var/lib/murre --trusted-proxies 10.0.0.0/8
  murre serve --rate message=120/1m --rate typing=off --registration closed
  murre serve --config /etc/murre.yaml`,
		Args: args(cobra.NoArgs),
	}
	cfg.Flags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cfg.Load(cmd.Flags(), os.Environ()); err != nil {
			return usageError{err}
		}
		if err := checkDemo(cfg); err != nil {
			return err
		}
		log, err := observe.NewLogger(cmd.ErrOrStderr(), cfg.LogLevel, cfg.LogFormat)
		if err != nil {
			return usageError{err}
		}
		a, err := app.New(cmd.Context(), cfg, app.Info{Version: version(), Log: log})
		if err != nil {
			return err
		}
		if cfg.Demo {
			if err := demo(cmd, a); err != nil {
				return errors.Join(err, a.Close())
			}
		}
		return a.Run(cmd.Context())
	}
	return cmd
}

// demoPassword is known to everyone, which is why --demo serves this machine only.
const demoPassword = "demo-password"

func checkDemo(cfg *config.Config) error {
	if !cfg.Demo {
		return nil
	}
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return usageError{err}
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usagef("--demo: the demo logins' passwords are public, so --listen must be a loopback address, not %s", cfg.Listen)
	}
	return nil
}

// demo makes the two logins and says how to chat.
func demo(cmd *cobra.Command, a *app.App) error {
	for _, name := range []string{"alice", "bob"} {
		if err := a.EnsureUser(cmd.Context(), name, demoPassword); err != nil {
			return fmt.Errorf("demo login %s: %w", name, err)
		}
	}
	printDemo(cmd.OutOrStdout(), a.URL(), os.Args[0], a.HasWebClient())
	return nil
}

func printDemo(w io.Writer, url, self string, web bool) {
	if strings.ContainsAny(self, " \t'\"") {
		self = "murre"
	}
	line := func(who, other string) string {
		return fmt.Sprintf("    %s chat --url %s --user %s --password %s --to %s\n", self, url, who, demoPassword, other)
	}
	browser := ""
	if web {
		browser = fmt.Sprintf(`  Open it in a browser, or see two phones talk: %s/demo

`, url)
	}
	fmt.Fprintf(w, `
Murre serves on %s

%s  Two demo logins:   alice / %s     bob / %s

  Chat in two terminals:

%s%s
  API reference: %s/docs      Stop: Ctrl-C

`, url, browser, demoPassword, demoPassword, line("alice", "bob"), line("bob", "alice"), url)
}
