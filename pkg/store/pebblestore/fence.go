package pebblestore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var errFenced = errors.New("engine was given up")

// retryEvery is how long a write that found no space waits before it tries again.
const retryEvery = 100 * time.Millisecond

// fencedFS is an engine's way to the folder. It does two things for it:
//
// A full disk and failed writes are fatal to Pebble when they hit its log or manifest: it panics, in places with a mutex
// unlocked, and takes the process with it. So such an error never reaches it. Without space the write waits and tries
// again: the engine stalls, which its watch turns into ErrUnavailable, and goes on by itself. After any other error the
// engine is given up and the goroutine stays where it is.
//
// An engine that was given up can't be closed (its locks and background work may hang), and its successor opens the same
// folder: after fence nothing of the old one writes or removes a file, or keeps a deleted file's space. Whoever of it tries
// is parked for good.
type fencedFS struct {
	vfs.FS
	dir     string // the data folder; a backup elsewhere is never critical
	fatal   func(error)
	running atomic.Bool // false while the engine is opened: then nothing waits for space

	mu     sync.RWMutex // held for reading during each operation
	fenced bool
	files  map[*fencedFile]struct{}
}

func newFencedFS(fs vfs.FS, dir string) *fencedFS {
	return &fencedFS{FS: fs, dir: fs.PathDir(fs.PathJoin(dir, "x")), files: make(map[*fencedFile]struct{})}
}

// fence waits for operations under way, refuses all later ones and closes every open file.
func (f *fencedFS) fence() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fenced {
		return
	}
	f.fenced = true
	for file := range f.files {
		_ = file.File.Close() // nothing can be done about it, and the data that counts is synced
	}
	f.files = nil
}

// park ends the caller's part in the process without unwinding its stack, whose deferred unlocks would be fatal.
func park() { select {} }

// critical tells files whose failure Pebble doesn't survive from tables, whose writing it gives up and tries again.
func (f *fencedFS) critical(name string) bool {
	base := f.PathBase(name)
	return f.PathDir(name) == f.dir && !strings.HasSuffix(base, ".sst") && !strings.HasSuffix(base, ".blob")
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// write does an operation that changes the folder. With must set, an error other than a lack of space is fatal.
func (f *fencedFS) write(name string, must bool, op func() error) error {
	for {
		err := f.once(op)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errFenced):
			park()
		case !f.running.Load():
			if f.critical(name) && (must || noSpace(err)) {
				f.fatal(fmt.Errorf("%s: %w", f.PathBase(name), err))
				park()
			}
			return err
		case noSpace(err):
			if f.PathDir(name) != f.dir {
				return err
			}
			<-time.After(retryEvery) // a table is given up and begun again, but not in a busy loop
			if !f.critical(name) {
				return err
			}
		case must && f.critical(name):
			f.fatal(fmt.Errorf("%s: %w", f.PathBase(name), err))
			park()
		default:
			return err
		}
	}
}

func (f *fencedFS) once(op func() error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.fenced {
		return errFenced
	}
	return op()
}

// open opens a file; one to write to goes through write.
func (f *fencedFS) open(name string, op func() (vfs.File, error)) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fenced {
		return nil, errFenced
	}
	file, err := op()
	if err != nil {
		return nil, err
	}
	out := &fencedFile{File: file, fs: f, name: name}
	f.files[out] = struct{}{}
	return out, nil
}

func (f *fencedFS) create(name string, op func() (vfs.File, error)) (file vfs.File, err error) {
	for {
		file, err = f.open(name, op)
		if err == nil {
			return file, nil
		}
		// The lock of open is free again: let write decide about the error.
		if err = f.write(name, true, func() error { e := err; err = nil; return e }); err != nil {
			return nil, err
		}
	}
}

// The operations of vfs.FS that touch the folder.

func (f *fencedFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.create(name, func() (vfs.File, error) { return f.FS.Create(name, c) })
}

func (f *fencedFS) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.open(name, func() (vfs.File, error) { return f.FS.Open(name) })
	if err != nil {
		return nil, err
	}
	for _, opt := range o {
		opt.Apply(file)
	}
	return file, nil
}

func (f *fencedFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return f.create(name, func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, o...) })
}

func (f *fencedFS) OpenDir(name string) (vfs.File, error) {
	return f.open(name, func() (vfs.File, error) { return f.FS.OpenDir(name) })
}

func (f *fencedFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.create(to, func() (vfs.File, error) { return f.FS.ReuseForWrite(from, to, c) })
}

func (f *fencedFS) Link(from, to string) error {
	return f.write(to, false, func() error { return f.FS.Link(from, to) })
}

func (f *fencedFS) Remove(name string) error {
	return f.write(name, false, func() error { return f.FS.Remove(name) })
}

func (f *fencedFS) RemoveAll(name string) error {
	return f.write(name, false, func() error { return f.FS.RemoveAll(name) })
}

func (f *fencedFS) Rename(from, to string) error {
	return f.write(to, false, func() error { return f.FS.Rename(from, to) })
}

func (f *fencedFS) MkdirAll(dir string, perm os.FileMode) error {
	return f.write(dir, false, func() error { return f.FS.MkdirAll(dir, perm) })
}

// Lock does nothing: the DB holds the folder's lock over all its engines.
func (f *fencedFS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

func (f *fencedFS) Unwrap() vfs.FS { return f.FS }

// fencedFile is a file of a fencedFS.
type fencedFile struct {
	vfs.File
	fs   *fencedFS
	name string
}

func (f *fencedFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.fenced {
		return nil // fence closed it
	}
	delete(f.fs.files, f)
	return f.File.Close()
}

func (f *fencedFile) Read(p []byte) (n int, err error) {
	err = f.fs.once(func() (err error) { n, err = f.File.Read(p); return err })
	return n, err
}

func (f *fencedFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.fs.once(func() (err error) { n, err = f.File.ReadAt(p, off); return err })
	return n, err
}

// Write goes on where it stopped when there was no space.
func (f *fencedFile) Write(p []byte) (n int, err error) {
	err = f.fs.write(f.name, true, func() error {
		m, err := f.File.Write(p[n:])
		n += m
		return err
	})
	return n, err
}

func (f *fencedFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.fs.write(f.name, true, func() (err error) { n, err = f.File.WriteAt(p, off); return err })
	return n, err
}

func (f *fencedFile) Preallocate(off, n int64) error {
	return f.fs.write(f.name, false, func() error { return f.File.Preallocate(off, n) })
}

func (f *fencedFile) Prefetch(off, n int64) error {
	return f.fs.once(func() error { return f.File.Prefetch(off, n) })
}

func (f *fencedFile) Stat() (info vfs.FileInfo, err error) {
	err = f.fs.once(func() (err error) { info, err = f.File.Stat(); return err })
	return info, err
}

// A sync that failed is never tried again: the system may have dropped the dirty pages and say yes the next time.

func (f *fencedFile) Sync() error { return f.sync(f.File.Sync) }

func (f *fencedFile) SyncData() error { return f.sync(f.File.SyncData) }

func (f *fencedFile) SyncTo(n int64) (full bool, err error) {
	err = f.sync(func() (err error) { full, err = f.File.SyncTo(n); return err })
	return full, err
}

func (f *fencedFile) sync(op func() error) error {
	return f.fs.write(f.name, true, func() error {
		if err := op(); err != nil {
			return fmt.Errorf("sync: %v", err) // not wrapped: never taken for a lack of space
		}
		return nil
	})
}
