package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/pkg/operate"
)

func newToken() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token USERNAME",
		Short: "Sign a user in and print the session's token",
		Long: `Makes a session as a sign-in does, without a password, and prints nothing but its token: for bots, back ends and tests.
The session lives 30 days after its last use; the user sees it in their list of sessions and can end it.`,
		Example: "  curl -H \"Authorization: Bearer $(murre token alice)\" http://127.0.0.1:8080/api/v1/me",
		Args:    args(cobra.ExactArgs(1)),
	}
	data := dataFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, a []string) error {
		return operator(*data, cmd.ErrOrStderr(), func(op operate.Operator) error {
			t, err := op.Token(cmd.Context(), a[0])
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), t.Token)
			return nil
		})
	}
	return cmd
}
