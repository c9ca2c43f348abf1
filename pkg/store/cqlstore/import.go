package cqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gocql/gocql"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/transfer"
)

const (
	// importBatchRows and importBatchBytes bound one batch of rows of one partition.
	importBatchRows  = 100
	importBatchBytes = 64 << 10
	// nearlyOver: rows that end sooner are not copied.
	nearlyOver = time.Minute
	shownWrong = 5
	// mixedBatch is how many rows of many partitions share a batch: servers refuse such batches above 50 KiB.
	mixedBatch = 50
	// settled is how far the store's clock must be past the last id that was copied before gateways may start: D + S, so that no
	// cursor lies beyond their horizon, and a little.
	settled = lag + 3*time.Second
	// longestWait is how long Finish waits for that. A source whose clock was further ahead needs someone to decide.
	longestWait = 2 * time.Minute
)

// ImportOptions say how rows get into the tables. Made is required.
type ImportOptions struct {
	// Made dates rows that have no time of their own (transfer.SourceInfo.Made, Unix ms): what the cluster writes later outranks
	// them, and a second copy of the same source writes the same.
	Made int64
	// Now is the clock by which rows expire, default time.Now. Tests replace it.
	Now func() time.Time
	// Settled replaces the wait after the last id, 15 s, in tests.
	Settled time.Duration
	// Alone says that nobody else makes users in the keyspace meanwhile, and that no name among the rows is taken there. Names
	// are then written without compare-and-set and rows of many partitions share a batch: for filling a keyspace of one or a
	// few nodes with millions of people before a test.
	Alone bool
}

// Importer writes rows of another store into the tables, and reads them back. It is a transfer.Target.
type Importer struct {
	d *DB
	o ImportOptions
}

// NewImporter returns an importer into the DB's keyspace.
func NewImporter(d *DB, o ImportOptions) *Importer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Settled <= 0 {
		o.Settled = settled
	}
	return &Importer{d: d, o: o}
}

// Name names the keyspace so that one that was dropped and made again has another: for the state file of a copy.
func (i *Importer) Name(ctx context.Context) (string, error) {
	var table gocql.UUID
	s := written(forCopy, "SELECT id FROM system_schema.tables WHERE keyspace_name = ? AND table_name = 'messages'", "keyspace_name")
	if err := i.d.one(ctx, s, []any{i.d.o.Keyspace}, &table); err != nil {
		return "", err
	}
	return i.d.o.Keyspace + " " + table.String(), nil
}

// occupiable are the tables that hold something in a keyspace that is in use. Leases and the change log don't count: gateways
// that were only started write them.
var occupiable = []*sheet{sheetUsers, sheetNames, sheetMembers, sheetMessages, sheetInbox, sheetDevices, sheetSessions, sheetMedia}

// Occupied names a table that holds rows.
func (i *Importer) Occupied(ctx context.Context) (string, error) {
	for _, table := range occupiable {
		found := false
		s := written(forCopy, "SELECT "+table.key[0]+" FROM "+table.table+" LIMIT 1")
		var first rawCell
		err := i.d.rows(ctx, s, 1, nil, []any{&first}, func() (bool, error) {
			found = true
			return false, nil
		})
		if err != nil || found {
			return table.table, err
		}
	}
	return "", nil
}

// Taken tells which users' names belong to others here.
func (i *Importer) Taken(ctx context.Context, of []chat.User) ([]string, error) {
	taken := make([][]string, len(of))
	err := together(ctx, len(of), func(ctx context.Context, k int) error {
		for _, n := range namesOf(of[k]) {
			holder, err := i.holder(ctx, n)
			if err != nil {
				return err
			}
			if !holder.IsZero() && holder != of[k].ID {
				taken[k] = append(taken[k], fmt.Sprintf("%s %q is user %s there and %s here", n.what, n.name, holder, of[k].ID))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, t := range taken {
		out = append(out, t...)
	}
	return out, nil
}

// name is one that only one user may have.
type name struct {
	names
	name string
}

func namesOf(u chat.User) []name {
	out := []name{{usernames, u.Username}}
	if u.External != "" {
		out = append(out, name{subjects, u.External})
	}
	return out
}

// holder is who has a name; zero: nobody, or someone whose creation broke off long ago.
func (i *Importer) holder(ctx context.Context, n name) (chat.UserID, error) {
	var u chat.UserID
	var since int64
	err := i.d.serial(ctx, n.read, []any{n.name}, (*[16]byte)(&u), &since)
	if errors.Is(err, store.ErrNotFound) {
		return chat.UserID{}, nil
	}
	if err != nil || i.o.Now().UnixMilli()-since < abandoned.Milliseconds() {
		return u, err
	}
	if _, err := (users{i.d}).get(ctx, u); errors.Is(err, store.ErrNotFound) {
		return chat.UserID{}, nil
	} else if err != nil {
		return chat.UserID{}, err
	}
	return u, nil
}

// Write writes rows. ErrConflict: a name belongs to someone else; then nothing of that user was written.
func (i *Importer) Write(ctx context.Context, rows []transfer.Row) error {
	for k := range rows {
		if u, ok := rows[k].Value.(chat.User); ok && !i.o.Alone {
			for _, n := range namesOf(u) {
				if err := (users{i.d}).claim(ctx, n.names, n.name, u.ID); err != nil {
					if errors.Is(err, store.ErrConflict) {
						return fmt.Errorf("user %s: %s %q: %w", u.ID, n.what, n.name, err)
					}
					return err
				}
			}
		}
	}
	lines, err := i.lines(rows)
	if err != nil {
		return err
	}
	var groups [][]*line
	if i.o.Alone {
		groups = slices.Collect(slices.Chunk(lines, mixedBatch))
	} else {
		groups = partitions(lines)
	}
	return together(ctx, len(groups), func(ctx context.Context, k int) error { return i.write(ctx, groups[k]) })
}

// write writes lines that may share batches.
func (i *Importer) write(ctx context.Context, lines []*line) error {
	now := i.o.Now().UnixMilli()
	var parts []bound
	bytes := 0
	flush := func() (err error) {
		switch len(parts) {
		case 0:
		case 1:
			err = i.d.exec(ctx, parts[0].s, parts[0].values...)
		default:
			err = i.d.batch(ctx, forCopy, parts)
		}
		parts, bytes = parts[:0], 0
		return err
	}
	for _, l := range lines {
		if l.over(now) {
			continue
		}
		for _, p := range l.puts {
			if l.ends > 0 { // the last value of every statement with a TTL
				p.values = append(p.values[:len(p.values):len(p.values)], int((l.ends-now)/1000))
			}
			parts = append(parts, p)
		}
		if bytes += l.size; len(parts) >= importBatchRows || bytes >= importBatchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// Finish waits until the store's clock is past every id that was copied, so that a gateway with any slot makes larger ones and
// no device's cursor is ahead of its log, and leaves the source's high water in the slot that an embedded store uses.
func (i *Importer) Finish(ctx context.Context, high id.ID) error {
	if err := i.leaveHighWater(ctx, high); err != nil {
		return err
	}
	until := high.UnixMillis() + i.o.Settled.Milliseconds()
	for {
		now, err := (leases{i.d}).Now(ctx)
		if err != nil {
			return err
		}
		left := time.Duration(until-now) * time.Millisecond
		if left <= 0 {
			return nil
		}
		if left > longestWait {
			return fmt.Errorf("cqlstore: the source's clock was ahead: its ids reach to %s. Every row is copied, but start no gateway before %s (or run the copy again with --resume then)",
				high.Time().Format(time.RFC3339), time.UnixMilli(until).UTC().Format(time.RFC3339))
		}
		t := time.NewTimer(min(left, time.Second))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("cqlstore: wait for the clock to pass the last id: %w", ctx.Err())
		}
	}
}

// embeddedSlot is the node slot of every embedded store.
const embeddedSlot = 0

func (i *Importer) leaveHighWater(ctx context.Context, high id.ID) error {
	l := leases{i.d}
	for range casAttempts {
		was, err := l.Get(ctx, i.d.DC(), embeddedSlot)
		if err != nil {
			return err
		}
		if was.HighWater >= int64(high) {
			return nil
		}
		if was.Holder != "" {
			return nil // its ids are its clock's, and Finish waits until that is past ours
		}
		next := was
		next.HighWater = int64(high)
		next.Counter++
		err = l.Put(ctx, was, next)
		if err == nil || !(errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrUnavailable)) {
			return err
		}
	}
	return fmt.Errorf("cqlstore: the lease of node slot %d: %w", embeddedSlot, store.ErrConflict)
}

// rawCell is a column's value as the server sent it; nil is null.
type rawCell []byte

// UnmarshalCQL implements gocql.Unmarshaler.
func (c *rawCell) UnmarshalCQL(_ gocql.TypeInfo, data []byte) error {
	if data == nil {
		*c = nil
		return nil
	}
	*c = append(make([]byte, 0, len(data)), data...)
	return nil
}

var _ transfer.Target = (*Importer)(nil)
