package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/pkg/app"
	"github.com/murre-chat/murre/pkg/operate"
)

// dataFlag adds --data to a command that looks after a server.
func dataFlag(cmd *cobra.Command) *string {
	data := os.Getenv("MURRE_DATA")
	if data == "" {
		data = "murre-data"
	}
	return cmd.Flags().String("data", data, "data folder of the server (also MURRE_DATA)")
}

// operator calls do with an operator of the data folder, and closes it.
func operator(data string, errw io.Writer, do func(op operate.Operator) error) (err error) {
	log := slog.New(slog.NewTextHandler(errw, &slog.HandlerOptions{Level: slog.LevelWarn}))
	op, end, err := app.Connect(data, log)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := end(); err == nil {
			err = cerr
		}
	}()
	return do(op)
}
