package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/loadtest/report"
	"github.com/murre-chat/murre/loadtest/result"
)

func newReport() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "report RUN.json",
		Short: "Make one HTML page of a run's result",
		Long: `Draws the plots and writes the tables of a run into a single HTML file, which needs nothing else: no network, no script.
It says what the result says and judges nothing anew.`,
		Example: `  murre-load report runs/million.json
  murre-load report runs/million.json -o million.html`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "HTML file to write (default: the result's name with .html)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := result.Read(args[0])
		if err != nil {
			return err
		}
		if out == "" {
			out = strings.TrimSuffix(args[0], filepath.Ext(args[0])) + ".html"
		}
		if err := writePage(out, func(f *os.File) error { return report.WriteHTML(f, r) }); err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), out)
		return err
	}
	return cmd
}

// writePage writes a file through write; one that couldn't be written whole is removed.
func writePage(name string, write func(f *os.File) error) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
