package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/murre-chat/murre/pkg/store"
)

// ErrNotEmpty is returned for a backup or restore into a folder that holds something.
var ErrNotEmpty = errors.New("folder is not empty")

// Checkpoint writes a consistent, synced copy of the store as it is at some moment during the call into a folder that
// doesn't exist yet, while the store runs. On the same file system tables are linked, not copied: it takes little time and
// space, but move it to another disk to be safe from this one. A copy without its format file is incomplete. ErrNotEmpty.
func (d *DB) Checkpoint(_ context.Context, dir string) error {
	e := d.engine.Load()
	if e != nil {
		e.readers.RLock()
		defer e.readers.RUnlock()
	}
	if e == nil || e.isDead() || e.current.Load() == nil {
		return fmt.Errorf("pebblestore: checkpoint: %w", store.ErrUnavailable)
	}
	if _, err := d.o.FS.Stat(dir); err == nil {
		return fmt.Errorf("pebblestore: checkpoint to %s: %w", dir, ErrNotEmpty)
	}
	err := e.pdb.Checkpoint(dir, pebble.WithFlushedWAL())
	if err == nil {
		err = writeFormat(d.o.FS, dir)
	}
	if err != nil {
		return fmt.Errorf("pebblestore: checkpoint to %s: %w", dir, err)
	}
	return nil
}

// Restore copies a checkpoint into a data folder, which must be missing or empty, and reads every row of the copy back
// (all checksums) before it returns. An interrupted restore leaves a folder that Open refuses. ErrNotEmpty, *FormatError.
func Restore(ctx context.Context, backupDir, dataDir string) error {
	if err := restore(ctx, vfs.Default, backupDir, dataDir); err != nil {
		return fmt.Errorf("pebblestore: restore %s to %s: %w", backupDir, dataDir, err)
	}
	return nil
}

func restore(ctx context.Context, fs vfs.FS, from, to string) error {
	names, err := fs.List(from)
	if err != nil {
		return err
	}
	if _, err := fs.Stat(fs.PathJoin(from, formatFile)); err != nil {
		return fmt.Errorf("not a complete backup: %w", err)
	}
	if err := checkFormat(fs, from); err != nil {
		return err
	}
	if err := makeDir(fs, to); err != nil {
		return err
	}
	there, err := fs.List(to)
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return ErrNotEmpty
	}
	for _, n := range names {
		if n == formatFile || n == "LOCK" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := copySynced(fs, fs.PathJoin(from, n), fs.PathJoin(to, n)); err != nil {
			return err
		}
	}
	if err := verify(ctx, fs, to); err != nil {
		return err
	}
	return writeFormat(fs, to)
}

func copySynced(fs vfs.FS, from, to string) (err error) {
	in, err := fs.Open(from, vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := fs.Create(to, "restore")
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// verify reads every row of a database.
func verify(ctx context.Context, fs vfs.FS, dir string) (err error) {
	db, err := pebble.Open(dir, &pebble.Options{FS: fs, ReadOnly: true, Merger: forwardOnly(), Logger: silent{}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	it, err := db.NewIterWithContext(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if _, err := it.ValueAndErr(); err != nil {
			return err
		}
		if n++; n%10_000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return it.Error()
}

// silent is Pebble's log while a copy is checked. What would be fatal is a panic: there is nothing to keep running.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(format string, args ...any) {
	panic(strings.TrimSpace(fmt.Sprintf(format, args...)))
}
