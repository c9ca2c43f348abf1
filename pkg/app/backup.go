package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/murre-chat/murre/pkg/operate"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

// unfinished is the folder of uploads under way: they change, so they can't be linked, and start over after a restore.
const unfinished = "uploads"

// backupNote is the file that says what a backup is.
const backupNote = "backup.json"

// backup writes the store, then the media that it may name, to a new folder: whole or not at all. Files that never change
// are linked where the file system can, so a backup on the same one is quick and small; copy it elsewhere.
func backup(ctx context.Context, db *pebblestore.DB, data, to string) (b operate.Backup, err error) {
	began := time.Now()
	if _, err := os.Lstat(to); err == nil {
		return b, fmt.Errorf("backup: %s exists already", to)
	}
	part := to + ".partial"
	if err := os.Mkdir(part, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return b, fmt.Errorf("backup: %s is there: another backup is running, or one broke off (then remove it)", part)
		}
		return b, fmt.Errorf("backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(part))
		}
	}()
	// The store first: media that is uploaded meanwhile may be in the copy without need, but none is missing.
	if err := db.Checkpoint(ctx, storeDir(part)); err != nil {
		return b, fmt.Errorf("backup: %w", err)
	}
	if err := copyTree(ctx, mediaDir(data), mediaDir(part), true); err != nil {
		return b, fmt.Errorf("backup: media: %w", err)
	}
	note, err := json.MarshalIndent(map[string]any{"what": "backup of a murre data folder; bring it back with murre restore", "taken": began.UTC()}, "", "  ")
	if err != nil {
		return b, fmt.Errorf("backup: %w", err)
	}
	if err := os.WriteFile(filepath.Join(part, backupNote), append(note, '\n'), 0o600); err != nil {
		return b, fmt.Errorf("backup: %w", err)
	}
	if b.Files, b.Bytes, err = syncTree(part); err != nil {
		return b, fmt.Errorf("backup: %w", err)
	}
	if err := os.Rename(part, to); err != nil {
		return b, fmt.Errorf("backup: %w", err)
	}
	if err := syncFile(filepath.Dir(to)); err != nil {
		return b, fmt.Errorf("backup: %w", err)
	}
	b.Folder, b.Elapsed = to, time.Since(began)
	return b, nil
}

// Restore makes a data folder of a backup. The folder must not exist or be empty. The store is read back
// whole, so that a broken backup shows here and not when it is needed.
func Restore(ctx context.Context, from, data string) (operate.Backup, error) {
	var b operate.Backup
	began := time.Now()
	if _, err := os.Stat(filepath.Join(from, backupNote)); err != nil {
		return b, fmt.Errorf("restore: %s is no backup of murre (it has no %s)", from, backupNote)
	}
	switch names, err := os.ReadDir(data); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return b, fmt.Errorf("restore: %w", err)
	case len(names) > 0:
		return b, fmt.Errorf("restore: %s is not empty; restore into a new folder, then serve from there", data)
	default:
		if err := os.Remove(data); err != nil {
			return b, fmt.Errorf("restore: %w", err)
		}
	}
	part := filepath.Clean(data) + ".partial"
	if err := os.RemoveAll(part); err != nil {
		return b, fmt.Errorf("restore: %w", err)
	}
	// Copied, never linked: a data folder that shares files with its backup could spoil it.
	if err := copyTree(ctx, mediaDir(from), mediaDir(part), false); err != nil {
		return b, errors.Join(fmt.Errorf("restore: %w", err), os.RemoveAll(part))
	}
	if err := pebblestore.Restore(ctx, storeDir(from), storeDir(part)); err != nil {
		return b, errors.Join(fmt.Errorf("restore: %w", err), os.RemoveAll(part))
	}
	files, bytes, err := syncTree(part)
	if err != nil {
		return b, fmt.Errorf("restore: %w", err)
	}
	if err := os.Rename(part, data); err != nil {
		return b, fmt.Errorf("restore: %w", err)
	}
	b.Folder, b.Files, b.Bytes, b.Elapsed = data, files, bytes, time.Since(began)
	return b, nil
}

// copyTree copies the regular files below a folder; a missing folder is an empty one. Files that vanish meanwhile are left
// out: they were deleted.
func copyTree(ctx context.Context, from, to string, link bool) error {
	err := filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		dest := filepath.Join(to, rel)
		switch {
		case d.IsDir() && rel == unfinished:
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(dest, 0o700)
		case !d.Type().IsRegular():
			return nil
		case link && os.Link(p, dest) == nil:
			return nil
		}
		if err := copyFile(p, dest); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// syncTree makes a tree durable and counts it.
func syncTree(root string) (files int, bytes int64, err error) {
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			files++
			bytes += info.Size()
		}
		return syncFile(p)
	})
	return files, bytes, err
}

func syncFile(p string) error {
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func closing(err error, c io.Closer) error { return errors.Join(err, c.Close()) }
