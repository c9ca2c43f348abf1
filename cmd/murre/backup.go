package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/pkg/operate"
)

func newBackup() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FOLDER",
		Short: "Write a copy of everything to a new folder, while the server runs",
		Long: `Writes a consistent copy of the data folder, messages and media, to a new folder on the server's machine. The server goes
on serving. What was acked before the backup began is in it. On the same file system files are linked, not copied:
it is quick, and takes little room until the originals change. Copy it to another machine afterwards.`,
		Example: "  murre backup /backups/murre-$(date +%F) --data /var/lib/murre",
		Args:    args(cobra.ExactArgs(1)),
	}
	data := dataFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, a []string) error {
		to, err := filepath.Abs(a[0])
		if err != nil {
			return fmt.Errorf("backup: %w", err)
		}
		return operator(*data, cmd.ErrOrStderr(), func(op operate.Operator) error {
			b, err := op.Backup(cmd.Context(), to)
			if err != nil {
				return err
			}
			printBackup(cmd.OutOrStdout(), "written", b)
			return nil
		})
	}
	return cmd
}

func printBackup(w io.Writer, done string, b operate.Backup) {
	fmt.Fprintf(w, "%s: %s, %d files, %.1f MiB, %s\n", done, b.Folder, b.Files, float64(b.Bytes)/(1<<20), b.Elapsed.Round(time.Millisecond))
}
