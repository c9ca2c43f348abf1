package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/operate"
)

func newTrace() *cobra.Command {
	var conversation string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "trace MESSAGE",
		Short: "Say where a message is: stored, in whose inbox, delivered and read by whom",
		Long: `Looks a message up by its id (text or number) and prints when it was stored, whose inbox log holds it under which event and
since when, which devices acknowledged it, and who has it delivered and read. Never prints content.
Without --conversation every conversation is asked for the id, which takes a while when there are millions.`,
		Example: "  murre trace 0G7RM3T6P0800 --data /var/lib/murre",
		Args:    args(cobra.ExactArgs(1)),
	}
	data := dataFlag(cmd)
	cmd.Flags().StringVar(&conversation, "conversation", "", "id of the conversation, when known")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, a []string) error {
		m, err := id.Parse(a[0])
		if err != nil {
			var n int64
			if _, serr := fmt.Sscan(a[0], &n); serr != nil || n <= 0 {
				return usagef("%q is no message id", a[0])
			}
			m = id.ID(n)
		}
		var conv chat.ConversationID
		if conversation != "" {
			if conv, err = chat.ParseConversationID(conversation); err != nil {
				return usagef("--conversation: %w", err)
			}
		}
		return operator(*data, cmd.ErrOrStderr(), func(op operate.Operator) error {
			t, err := op.Trace(cmd.Context(), chat.MessageID(m), conv)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(t)
			}
			return printTrace(cmd.OutOrStdout(), t)
		})
	}
	return cmd
}

func printTrace(w io.Writer, t *operate.Trace) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	line := func(format string, a ...any) { fmt.Fprintf(tw, format+"\n", a...) }
	line("message\t%s\t(%d)", t.Message, int64(t.Message))
	line("stored\t%s\t%s ago", stamp(t.Stored), time.Since(t.Stored).Round(time.Millisecond))
	line("conversation\t%s\t%s %s", t.Conversation, t.Kind, t.Name)
	line("sender\t%s\t%s", t.Sender.ID, t.Sender.Username)
	line("client id\t%s\tclaimed: %s", t.ClientID, yes(t.Claimed))
	line("content\t%s, %d code points\t", t.ContentType, t.CodePoints)
	if t.Edited != nil {
		line("edited\t%s\t", stamp(*t.Edited))
	}
	if t.Deleted {
		line("deleted\tyes\t")
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, m := range t.Members {
		role := ""
		switch {
		case m.Sender:
			role = " (sender)"
		case !m.Holds:
			role = " (not a member when it was sent)"
		case !m.Active:
			role = " (has left)"
		}
		fmt.Fprintf(w, "\n%s%s: delivered %s, read %s\n", m.User.Username, role, yes(m.Delivered), yes(m.Read))
		for _, e := range m.Events {
			fmt.Fprintf(w, "  inbox   %s  %s  %s\n", e.ID, stamp(e.At), e.Kind)
		}
		for _, d := range m.Devices {
			seen := "never"
			if d.Seen != nil {
				seen = stamp(*d.Seen)
			}
			fmt.Fprintf(w, "  device  %s  acked %-3s  cursor %s (%s)  last seen %s  %s\n", d.ID, yes(d.Acked), d.Cursor, stamp(d.Cursor.Time()), seen, d.Name)
		}
	}
	for _, n := range t.Notes {
		fmt.Fprintf(w, "\nnote: %s\n", n)
	}
	return nil
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
