package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/pkg/store/cqlstore"
)

func newMigrate() *cobra.Command {
	var o cqlstore.MigrateOptions
	store, replication := os.Getenv("MURRE_STORE"), ""
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Make or update the tables of a cluster",
		Long: `Makes the keyspace if there is none, brings its tables to what this program needs, and says what it did. Servers
refuse to start on any other schema. It may run many times and on many machines at once: one does the work, under a lock
in the keyspace itself. Nothing is ever dropped, and the replication of a keyspace that exists is compared, not changed.`,
		Example: `  murre migrate --store cql://10.0.0.1,10.0.0.2,10.0.0.3/murre --replication dc1=3
  murre migrate --store cql://murre:secret@db1,db2/murre --replication east=3,west=3 --wait
  murre migrate --store cql://db1/murre --dry-run`,
		Args: args(cobra.NoArgs),
	}
	f := cmd.Flags()
	f.StringVar(&store, "store", store, "cql://[user:password@]host[:port],host/keyspace (also MURRE_STORE)")
	f.StringVar(&replication, "replication", "", "copies in each datacenter, for a new keyspace: dc1=3 or east=3,west=3")
	f.BoolVar(&o.DryRun, "dry-run", false, "only say what would be done")
	f.BoolVar(&o.Wait, "wait", false, "wait for servers that don't answer yet, and for another migration to end")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if store == "" {
			return usagef("--store is missing: cql://host,host/keyspace")
		}
		if o.Options, err = cqlstore.Parse(store); err != nil {
			return usagef("--store: %w", err)
		}
		if o.Replication, err = parseReplication(replication); err != nil {
			return usageError{err}
		}
		o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
		r, err := cqlstore.Migrate(cmd.Context(), o)
		printMigration(cmd.OutOrStdout(), r, o.DryRun, err == nil)
		return err
	}
	return cmd
}

// parseReplication reads DC=N,DC=N; nothing is no replication.
func parseReplication(s string) (map[string]int, error) {
	if s == "" {
		return nil, nil
	}
	out := make(map[string]int)
	for _, part := range strings.Split(s, ",") {
		dc, number, ok := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < 1 || n > 9 || dc == "" || strings.ContainsAny(dc, "'\"\\ ;") {
			return nil, fmt.Errorf("--replication: %q should be DATACENTER=COPIES, as dc1=3", part)
		}
		if _, twice := out[dc]; twice {
			return nil, fmt.Errorf("--replication: %s is there twice", dc)
		}
		out[dc] = n
	}
	return out, nil
}

// printMigration prints what a migration did, also when it failed later on.
func printMigration(w io.Writer, r cqlstore.Report, dry, ended bool) {
	if r.Server.Version != "" {
		fmt.Fprintf(w, "server    %s\nkeyspace  %s\n", r.Server, r.Keyspace)
	}
	what := "did"
	if dry {
		what = "would"
	}
	for _, s := range r.Done {
		fmt.Fprintf(w, "%-9s %s\n", what, s)
	}
	for _, s := range r.Advice {
		fmt.Fprintf(w, "note      %s\n", s)
	}
	switch {
	case ended && len(r.Done) == 0:
		fmt.Fprintf(w, "version   %d, nothing to do\n", r.Version)
	case ended && !dry:
		fmt.Fprintf(w, "version   %d\n", r.Version)
	}
}
