package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/murre-chat/murre/pkg/operate"
)

func newUser() *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Look after accounts", Args: args(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error {
		return cmd.Help()
	}}
	cmd.AddCommand(newUserAdd())
	return cmd
}

func newUserAdd() *cobra.Command {
	var display string
	var generate bool
	cmd := &cobra.Command{
		Use:   "add USERNAME",
		Short: "Make an account, whether registration is open or not",
		Long: `Makes an account. The password is asked for, or read from standard input when that is no terminal (its first line),
or made up and printed with --generate.`,
		Example: "  murre user add alice\n  echo \"$PASSWORD\" | murre user add alice --name \"Alice Liddell\" --data /var/lib/murre",
		Args:    args(cobra.ExactArgs(1)),
	}
	data := dataFlag(cmd)
	cmd.Flags().StringVar(&display, "name", "", "display name; the username when not given")
	cmd.Flags().BoolVar(&generate, "generate", false, "make up a password and print it")
	cmd.RunE = func(cmd *cobra.Command, a []string) error {
		password, err := rand.Text(), error(nil)
		if !generate {
			if password, err = askPassword(cmd.InOrStdin(), cmd.ErrOrStderr(), true); err != nil {
				return err
			}
		}
		return operator(*data, cmd.ErrOrStderr(), func(op operate.Operator) error {
			u, err := op.AddUser(cmd.Context(), operate.NewUser{Username: a[0], Password: password, DisplayName: display})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "user      %s\nid        %s\n", u.Username, u.ID)
			if generate {
				fmt.Fprintf(cmd.OutOrStdout(), "password  %s\n", password)
			}
			return nil
		})
	}
	return cmd
}

// askPassword reads a password without showing it, twice if it is new; from a pipe it reads one line.
func askPassword(in io.Reader, errw io.Writer, twice bool) (string, error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(in).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", usagef("no password on standard input")
		}
		return line, nil
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(errw, prompt)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(errw)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return string(b), nil
	}
	first, err := ask("password: ")
	if err != nil || !twice {
		return first, err
	}
	second, err := ask("again:    ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", usagef("the two differ")
	}
	return first, nil
}
