package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store/cqlstore"
)

func newID() *cobra.Command {
	return &cobra.Command{
		Use:   "id ID...",
		Short: "Say what an id says: its time, node slot and sequence",
		Long: `Decodes message and event ids, in text (13 characters) or as the number that the store holds, and the time inside
a UUID of version 7 (users, conversations, devices, media). Of a message's id it also says in which bucket of a cluster's
tables the message is, for each kind of conversation, and of an event's in which day of the log: as cqlsh takes them.`,
		Example: "  murre id 0G7RM3T6P0800\n  murre id 577586652210266112",
		Args:    args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, ids []string) error {
			for i, s := range ids {
				if i > 0 {
					fmt.Fprintln(cmd.OutOrStdout())
				}
				text, err := describeID(s)
				if err != nil {
					return err
				}
				fmt.Fprint(cmd.OutOrStdout(), text)
			}
			return nil
		},
	}
}

func describeID(s string) (string, error) {
	if u, err := chat.ParseUserID(s); err == nil {
		if at, ok := u.Time(); ok {
			return fmt.Sprintf("uuid       %s\nversion    7\ntime       %s\n", u, stamp(at)), nil
		}
		return fmt.Sprintf("uuid       %s\nversion    %d (no time inside; 8: a direct conversation, derived from its two users)\n", u, u[6]>>4), nil
	}
	i, err := id.Parse(s)
	if err != nil {
		// 13 digits are an id's text form as well; a number has more of them for any moment after 2024.
		n, nerr := strconv.ParseInt(s, 10, 64)
		if nerr != nil || n < 0 {
			return "", usagef("%q is no id: want 13 characters of Crockford base32, a number, or a UUID", s)
		}
		i = id.ID(n)
	}
	m := chat.MessageID(i)
	return fmt.Sprintf("text       %s\nnumber     %d\ntime       %s\nslot       %d\nsequence   %d\nbuckets    direct %s  group %s  channel %s\nlog day    %s\n",
		i, int64(i), stamp(i.Time()), i.Slot(), i.Seq(),
		bucket(cqlstore.MessageBucket(chat.Direct, m)), bucket(cqlstore.MessageBucket(chat.Group, m)), bucket(cqlstore.MessageBucket(chat.Channel, m)),
		bucket(cqlstore.InboxBucket(chat.EventID(i)))), nil
}

// bucket prints the start of a time window (Unix ms) as a literal of CQL.
func bucket(ms int64) string { return time.UnixMilli(ms).UTC().Format("'2006-01-02 15:04:05+0000'") }

// stamp prints a moment in UTC with milliseconds.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
