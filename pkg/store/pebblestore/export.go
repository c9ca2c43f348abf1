package pebblestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/transfer"
)

// Export is a closed data folder, or a checkpoint, opened to be read whole. Nothing in the folder is changed: its file system
// refuses every operation that would.
type Export struct {
	db    *pebble.DB
	cache *pebble.Cache
	info  transfer.SourceInfo
}

// OpenExport opens a folder to be read. It holds the folder's lock until Close. ErrInUse, *FormatError.
func OpenExport(dir string) (*Export, error) {
	x, err := openExport(readOnlyFS{vfs.Default}, dir)
	if err != nil {
		return nil, fmt.Errorf("pebblestore: read %s: %w", dir, err)
	}
	return x, nil
}

func openExport(fs vfs.FS, dir string) (_ *Export, err error) {
	if _, err := fs.Stat(fs.PathJoin(dir, formatFile)); err != nil {
		return nil, fmt.Errorf("no store of murre: %w", err)
	}
	if err := checkFormat(fs, dir); err != nil {
		return nil, err
	}
	x := &Export{cache: pebble.NewCache(64 << 20)}
	x.db, err = pebble.Open(dir, &pebble.Options{FS: fs, ReadOnly: true, Merger: forwardOnly(), Logger: silent{}, Cache: x.cache, MaxOpenFiles: 1000})
	if err != nil {
		x.cache.Unref()
		return nil, err
	}
	if x.info, err = x.look(fs, dir); err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}

// look says what the folder is. Every opening for writing makes new files, so equal names and sizes are equal rows.
func (x *Export) look(fs vfs.FS, dir string) (info transfer.SourceInfo, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return info, err
	}
	slices.Sort(names)
	h := sha256.New()
	for _, n := range names {
		if n == "LOCK" {
			continue
		}
		st, err := fs.Stat(fs.PathJoin(dir, n))
		if err != nil {
			return info, err
		}
		fmt.Fprintf(h, "%s %d\n", n, st.Size())
	}
	info.Identity = hex.EncodeToString(h.Sum(nil))
	high, err := metaInt(x.db, metaHighWater)
	if err != nil {
		return info, err
	}
	info.HighWater = id.ID(high)
	info.Made = id.ID(max(high, 1)).UnixMillis()
	return info, nil
}

// Info says what the source is.
func (x *Export) Info() transfer.SourceInfo { return x.info }

// Close lets go of the folder.
func (x *Export) Close() error {
	err := x.db.Close()
	x.cache.Unref()
	return err
}

// exported are the tables and where their rows are.
var exported = [transfer.Tables]byte{
	transfer.Users: tabUser, transfer.Blocks: tabBlock, transfer.Sessions: tabSession, transfer.Devices: tabDevice,
	transfer.ChannelCursors: tabChannel, transfer.Conversations: tabConv, transfer.Members: tabMember, transfer.Listed: tabListed,
	transfer.Heads: tabHead, transfer.Marks: tabMark, transfer.Media: tabMedia, transfer.Messages: tabMessage,
	transfer.Reactions: tabReaction, transfer.Log: tabInbox, transfer.Claims: tabClaim,
}

// Count returns how many rows Rows hands out. It reads the table.
func (x *Export) Count(ctx context.Context, t transfer.Table) (n int64, err error) {
	err = x.scan(ctx, t, nil, func(key, value []byte) error {
		if exists(t, key, value) {
			n++
		}
		return nil
	})
	return n, err
}

// exists reports whether a row of the folder is one that Rows hands out: parts of a device are one row with it, and a buried
// message is a row that doesn't exist.
func exists(t transfer.Table, key, value []byte) bool {
	switch t {
	case transfer.Devices:
		return key[len(key)-1] == partDevice
	case transfer.Messages:
		return len(value) < 2 || value[1]&flagBuried == 0
	}
	return true
}

// Rows hands out the rows of a table.
func (x *Export) Rows(ctx context.Context, t transfer.Table, from []byte, yield func(transfer.Row) error) error {
	r := rowReader{x: x, table: t}
	return x.scan(ctx, t, from, func(key, value []byte) error {
		if !exists(t, key, value) {
			return nil
		}
		row, err := r.row(key, value)
		if err != nil {
			return err
		}
		return yield(transfer.Row{Table: t, Key: slices.Clone(key), Value: row, Size: len(key) + len(value)})
	})
}

// scan walks a table after a key.
func (x *Export) scan(ctx context.Context, t transfer.Table, from []byte, fn func(key, value []byte) error) (err error) {
	if t >= transfer.Tables {
		return fmt.Errorf("pebblestore: export: no table %d", t)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("pebblestore: export %s: %w", t, err)
		}
	}()
	lower := []byte{exported[t]}
	if from != nil {
		lower = append(slices.Clone(from), 0)
	}
	it, err := x.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: []byte{exported[t] + 1}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := fn(it.Key(), value); err != nil {
			return err
		}
	}
	return it.Error()
}

// get reads one row; nil when there is none.
func (x *Export) get(key []byte) ([]byte, error) {
	b, closer, err := x.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.Clone(b), closer.Close()
}

// conversationOf returns a conversation; its kind is 0 when it doesn't exist.
func (x *Export) conversationOf(c chat.ConversationID) (chat.Conversation, error) {
	b, err := x.get(oneKey(tabConv, c))
	if err != nil || b == nil {
		return chat.Conversation{ID: c}, err
	}
	row, err := scanConversation(b, c)
	return row.Conversation, err
}

// errReadOnly: something tried to change a folder that is only read.
var errReadOnly = fmt.Errorf("the folder is only read: %w", fs.ErrPermission)

// readOnlyFS refuses what would change a folder.
type readOnlyFS struct{ vfs.FS }

func (readOnlyFS) Create(string, vfs.DiskWriteCategory) (vfs.File, error) { return nil, errReadOnly }
func (readOnlyFS) Link(string, string) error                              { return errReadOnly }
func (readOnlyFS) Remove(string) error                                    { return errReadOnly }
func (readOnlyFS) RemoveAll(string) error                                 { return errReadOnly }
func (readOnlyFS) Rename(string, string) error                            { return errReadOnly }
func (readOnlyFS) MkdirAll(string, os.FileMode) error                     { return errReadOnly }
func (r readOnlyFS) Unwrap() vfs.FS                                       { return r.FS }

func (readOnlyFS) OpenReadWrite(string, vfs.DiskWriteCategory, ...vfs.OpenOption) (vfs.File, error) {
	return nil, errReadOnly
}

func (readOnlyFS) ReuseForWrite(string, string, vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, errReadOnly
}

// Lock takes the lock of a folder that has one. A backup has none, and gets none: no server runs on it.
func (r readOnlyFS) Lock(name string) (io.Closer, error) {
	if _, err := r.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return io.NopCloser(nil), nil
	}
	lock, err := r.FS.Lock(name)
	var file *os.PathError
	if err != nil && !errors.As(err, &file) { // the lock file could be opened, so it is the lock that is held
		err = fmt.Errorf("%w (%w)", ErrInUse, err)
	}
	return lock, err
}
