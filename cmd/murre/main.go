// Command murre is a chat server, and what its operators and users need beside it: one file a subcommand.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/pkg/chat"
)

// Exit codes.
const (
	exitFailure = 1 // it was tried and failed
	exitUsage   = 2 // it can't be tried: wrong flags, options or arguments
)

// usageError marks errors of how murre was called.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errw io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(errw, "murre:", message(err))
	var u usageError
	if errors.As(err, &u) {
		return exitUsage
	}
	return exitFailure
}

// message prints an error for people: one that clients may see without its code.
func message(err error) string {
	var e *chat.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	text := e.Message
	if e.Field != "" {
		text = e.Field + " " + text
	}
	if whole := err.Error(); whole != e.Error() && strings.HasSuffix(whole, e.Error()) {
		text = strings.TrimSuffix(whole, e.Error()) + text // what was being done stands before it
	}
	return text
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "murre",
		Short: "A chat server in one binary",
		Long: `Murre is a chat server in one binary: WebSocket gateway, REST API and store in one process, no other service needed.
A message that its sender saw as sent reaches every device of every recipient, whatever crashes.

Every option of the server can be given as a flag, as MURRE_* in the environment, or in a YAML file (--config).
The commands that look after a server (user, token, trace, backup) find it through its data folder: they talk to the
running server, or work on the folder itself when none is running.`,
		Example: `  murre serve                                  serve on http://127.0.0.1:8080, data in ./murre-data
  murre serve --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem --data /var/lib/murre
  murre serve --demo                           try it out: two logins, and what to type to chat

  murre chat --user alice --to bob             chat in the terminal
  murre user add alice                         make an account (asks for the password)
  murre token alice                            sign alice in, print the token
  murre id 0G7RM3T6P0800                       what an id says
  murre trace 0G7RM3T6P0800                    where is this message: stored, delivered, read
  murre backup /backups/today                  while the server runs
  murre restore /backups/today --data DIR      into a new data folder

  murre migrate --store cql://db1/murre --replication dc1=3    make the tables of a cluster
  murre copy --to cql://db1/murre --s3 ...                     move a data folder to a cluster`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newServe(), newChat(), newUser(), newToken(), newID(), newTrace(), newBackup(), newRestore(), newMigrate(), newDoctor(), newCopy())
	return root
}

// built names the build; make build sets it.
var built string

// version is what make build said, or the module's version, or the commit.
func version() string {
	if built != "" {
		return built
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v, dirty := info.Main.Version, ""
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "-dirty"
			}
		}
	}
	return v + dirty
}

// args wraps cobra's argument checks so that their errors are of usage.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, a []string) error {
		if err := check(cmd, a); err != nil {
			return usagef("%w (try: %s --help)", err, cmd.CommandPath())
		}
		return nil
	}
}
