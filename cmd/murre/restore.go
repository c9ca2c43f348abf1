package main

import (
	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/pkg/app"
)

func newRestore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore BACKUP",
		Short: "Make a data folder of a backup",
		Long: `Copies a backup to a new data folder and reads it back to see that it is sound. The folder must not exist or be empty;
a folder in use is never touched. Clients that had seen messages newer than the backup keep them on their screens;
on the server those are gone.`,
		Example: "  murre restore /backups/murre-2026-01-31 --data /var/lib/murre-restored",
		Args:    args(cobra.ExactArgs(1)),
	}
	data := dataFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, a []string) error {
		b, err := app.Restore(cmd.Context(), a[0], *data)
		if err != nil {
			return err
		}
		printBackup(cmd.OutOrStdout(), "restored", b)
		return nil
	}
	return cmd
}
