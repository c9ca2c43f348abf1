package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/murre-chat/murre/pkg/media"
	"github.com/murre-chat/murre/pkg/media/diskmedia"
	"github.com/murre-chat/murre/pkg/media/s3media"
	"github.com/murre-chat/murre/pkg/store/cqlstore"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
	"github.com/murre-chat/murre/pkg/transfer"
)

// copyFlags are the options of murre copy.
type copyFlags struct {
	from, to, s3, mediaTo, state           string
	data                                   *string
	workers                                int
	resume, merge, verifyOnly, withoutBlob bool
}

func newCopy() *cobra.Command {
	var f copyFlags
	cmd := &cobra.Command{
		Use:   "copy --to cql://HOST[,HOST]/KEYSPACE",
		Short: "Copy everything of an embedded server to a cluster",
		Long: `Copies a data folder, or a backup of one, to a cluster: accounts, sign-ins, devices and how far each has read, conversations,
messages, what is pending, and media. Each row is read back from the cluster and compared cell by cell, each blob by its
SHA-256. The source isn't changed. Not copied: node leases and the change log, which mean something only where they are.

Stop the server first, or copy a backup of it (murre backup FOLDER, then --data FOLDER); run murre migrate on the target, and
start the gateways when the copy is done. It may be stopped at any time, kill -9 included: --resume goes on. Users keep their
passwords and sign-ins; clients only need the new address.`,
		Example: `  murre migrate --store 'cql://10.0.0.1,10.0.0.2/murre' --replication dc1=3
  murre copy --data /var/lib/murre --to 'cql://10.0.0.1,10.0.0.2/murre' --s3 'https://KEY:SECRET@s3.example.org/murre'
  murre copy --data /var/lib/murre --to 'cql://10.0.0.1,10.0.0.2/murre' --s3 '...' --resume
  murre copy --data /var/lib/murre --to 'cql://10.0.0.1,10.0.0.2/murre' --s3 '...' --verify-only`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runCopy(cmd, &f) },
	}
	f.data = dataFlag(cmd)
	fs := cmd.Flags()
	fs.StringVar(&f.from, "from", "embedded", "what is copied: embedded, the only kind there is")
	fs.StringVar(&f.to, "to", "", "the target: cql://[user:password@]host[:port],host/keyspace[?dc=NAME]")
	fs.StringVar(&f.s3, "s3", "", "where media goes: http(s)://KEY:SECRET@HOST[:PORT]/BUCKET[?region=R]")
	fs.StringVar(&f.mediaTo, "media-to", "", "or the folder where media goes")
	fs.BoolVar(&f.withoutBlob, "no-media", false, "leave the bytes of media where they are")
	fs.StringVar(&f.state, "state", "", "file that holds the progress (default: beside the data folder, DATA.copy-KEYSPACE.json)")
	fs.IntVar(&f.workers, "workers", transfer.DefaultWorkers, "stretches of rows that are under way at once")
	fs.BoolVar(&f.resume, "resume", false, "go on with a copy that was stopped")
	fs.BoolVar(&f.merge, "merge", false, "copy into a keyspace that holds rows already")
	fs.BoolVar(&f.verifyOnly, "verify-only", false, "write nothing, read every row back")
	return cmd
}

func (f *copyFlags) check() error {
	switch {
	case f.from != "embedded":
		return usagef("--from %s: only embedded can be copied from", f.from)
	case f.to == "":
		return usagef("--to is needed: cql://host,host/keyspace")
	case f.s3 != "" && f.mediaTo != "":
		return usagef("--s3 and --media-to exclude each other")
	case f.s3 == "" && f.mediaTo == "" && !f.withoutBlob:
		return usagef("say where media goes: --s3, --media-to, or --no-media")
	case f.workers < 1 || f.workers > transfer.MaxWorkers:
		return usagef("--workers must be 1 to %d", transfer.MaxWorkers)
	}
	return nil
}

func runCopy(cmd *cobra.Command, f *copyFlags) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	to, err := cqlstore.Parse(f.to)
	if err != nil {
		return usagef("--to: %w", err)
	}
	to.Log = log
	blobs, closeBlobs, err := f.blobs(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeBlobs()) }()
	source, err := openSource(*f.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	db, err := cqlstore.Open(ctx, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if f.state == "" {
		f.state = filepath.Clean(*f.data) + ".copy-" + to.Keyspace + ".json"
	}
	if err := copyRows(ctx, f, source, db, out, cmd.ErrOrStderr()); err != nil {
		return err
	}
	if blobs == nil {
		return nil
	}
	return copyBlobs(ctx, f, source, blobs, out, cmd.ErrOrStderr())
}

// blobs opens where media goes; nil: nowhere.
func (f *copyFlags) blobs(ctx context.Context, log *slog.Logger) (media.Blobs, func() error, error) {
	nothing := func() error { return nil }
	switch {
	case f.withoutBlob:
		return nil, nothing, nil
	case f.mediaTo != "":
		d, err := diskmedia.Open(diskmedia.Options{Dir: f.mediaTo})
		return d, nothing, err
	}
	o, err := s3media.Parse(f.s3)
	if err != nil {
		return nil, nothing, usageError{err}
	}
	o.Log = log
	b, err := s3media.Open(ctx, o)
	if err != nil {
		return nil, nothing, err
	}
	return b, b.Close, nil
}

// openSource opens the store of a data folder or a backup to be read.
func openSource(data string) (*pebblestore.Export, error) {
	x, err := pebblestore.OpenExport(filepath.Join(data, "store"))
	switch {
	case errors.Is(err, pebblestore.ErrInUse):
		return nil, fmt.Errorf("a server runs on %s: stop it, or copy a backup (murre backup FOLDER --data %s, then murre copy --data FOLDER)", data, data)
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s is no data folder of murre: name it with --data (or MURRE_DATA)", data)
	}
	return x, err
}

func copyRows(ctx context.Context, f *copyFlags, source *pebblestore.Export, db *cqlstore.DB, out, errw io.Writer) error {
	target := cqlstore.NewImporter(db, cqlstore.ImportOptions{Made: source.Info().Made})
	name, err := target.Name(ctx)
	if err != nil {
		return err
	}
	show := newShow(errw)
	r, err := transfer.Copy(ctx, transfer.Options{
		Source: source, Target: target, State: f.state, TargetName: name,
		Resume: f.resume, Merge: f.merge, VerifyOnly: f.verifyOnly, Workers: f.workers,
		Progress: func(p transfer.Progress) {
			show.line("%s: %d of %d rows, %.0f rows/s, %s left", p.Table, p.Done, p.Total, p.Rate, p.Left.Round(time.Second))
		},
	})
	show.end()
	printRows(out, f, &r, err == nil)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("stopped; go on with --resume (progress is in %s)", f.state)
	}
	return err
}

func printRows(w io.Writer, f *copyFlags, r *transfer.Report, done bool) {
	if len(r.Rows) == 0 && !done {
		return
	}
	fmt.Fprintf(w, "%-24s %12s  %s\n", "table", "rows", "digest")
	for _, t := range slices.Sorted(maps.Keys(r.Rows)) {
		fmt.Fprintf(w, "%-24s %12d  %.16s\n", t, r.Rows[t], r.Sums[t])
	}
	for _, left := range []struct {
		n    int64
		what string
	}{
		{r.Expired, "rows had outlived their time (logs and claims of more than 30 days): left behind"},
		{r.Orphans, "rows belong to conversations that don't exist: left behind"},
		{r.Newer, "rows were changed in the target since: left as they are"},
		{r.Missing, "rows are MISSING in the target"},
		{r.Differ, "rows DIFFER in the target"},
	} {
		if left.n > 0 {
			fmt.Fprintf(w, "%d %s\n", left.n, left.what)
		}
	}
	for _, d := range r.Wrong {
		fmt.Fprintf(w, "  %s %s: %s\n", d.Table, d.Row, d.What)
	}
	what := "copied and read back"
	switch {
	case f.verifyOnly:
		what = "read back"
	case !done:
		what = "so far copied and read back"
	}
	rows := int64(0)
	for _, n := range r.Rows {
		rows += n
	}
	fmt.Fprintf(w, "%s: %d rows, digest %s; this run %d rows of the source in %s\n", what, rows, r.Sum, r.ThisRun, r.Elapsed.Round(time.Millisecond))
}

func copyBlobs(ctx context.Context, f *copyFlags, source *pebblestore.Export, to media.Blobs, out, errw io.Writer) error {
	from, err := diskmedia.Open(diskmedia.Options{Dir: filepath.Join(*f.data, "media"), ReadOnly: true})
	if err != nil {
		return err
	}
	show := newShow(errw)
	r, err := transfer.Blobs(ctx, transfer.BlobOptions{
		Source: source, From: from, To: to, VerifyOnly: f.verifyOnly,
		Progress: func(r transfer.BlobReport) { show.line("media: %d blobs, %.1f MiB", r.Blobs, float64(r.Bytes)/(1<<20)) },
	})
	show.end()
	fmt.Fprintf(out, "media: %d blobs (%d were there), %.1f MiB, %d thumbnails; %d uploads were never completed: left behind\n",
		r.Blobs, r.Before, float64(r.Bytes)/(1<<20), r.Thumbs, r.Unfinished)
	if r.LostCount > 0 {
		fmt.Fprintf(out, "%d blobs are described but not in the source's folder, the first: %v\n", r.LostCount, r.Lost)
	}
	if err != nil && ctx.Err() != nil {
		return errors.New("stopped; go on with --resume")
	}
	return err
}

// show is a line that tells of the progress: on a terminal always the same one, elsewhere a new one every ten seconds.
type show struct {
	w        io.Writer
	terminal bool
	last     time.Time
	any      bool
}

const showEvery = 10 * time.Second

func newShow(w io.Writer) *show {
	s := &show{w: w}
	if f, ok := w.(*os.File); ok {
		s.terminal = term.IsTerminal(int(f.Fd()))
	}
	return s
}

func (s *show) line(format string, v ...any) {
	switch text := fmt.Sprintf(format, v...); {
	case s.terminal:
		fmt.Fprintf(s.w, "\r\x1b[K%s", text)
		s.any = true
	case time.Since(s.last) >= showEvery:
		s.last = time.Now()
		fmt.Fprintln(s.w, text)
	}
}

func (s *show) end() {
	if s.any {
		fmt.Fprintln(s.w)
	}
}
