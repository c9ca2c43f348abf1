package pebblestore

import (
	"errors"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var errFenced = errors.New("engine was given up")

// fencedFS lets one engine work on the folder until fence is called; nothing of it gets through afterwards. An engine that
// met a fatal error can't be closed (its locks and background work may hang), and its successor opens the same folder:
// the fence makes sure that the old one neither writes nor removes a file, and keeps no deleted file's space.
type fencedFS struct {
	vfs.FS
	mu     sync.RWMutex // held for reading during each operation
	fenced bool
	files  map[*fencedFile]struct{}
}

func newFencedFS(fs vfs.FS) *fencedFS {
	return &fencedFS{FS: fs, files: make(map[*fencedFile]struct{})}
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

func (f *fencedFS) do(op func() error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.fenced {
		return errFenced
	}
	return op()
}

func (f *fencedFS) open(op func() (vfs.File, error)) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fenced {
		return nil, errFenced
	}
	file, err := op()
	if err != nil {
		return nil, err
	}
	out := &fencedFile{File: file, fs: f}
	f.files[out] = struct{}{}
	return out, nil
}

// The operations of vfs.FS that touch the folder.

func (f *fencedFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.open(func() (vfs.File, error) { return f.FS.Create(name, c) })
}

func (f *fencedFS) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.open(func() (vfs.File, error) { return f.FS.Open(name) })
	if err != nil {
		return nil, err
	}
	for _, opt := range o {
		opt.Apply(file)
	}
	return file, nil
}

func (f *fencedFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return f.open(func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, o...) })
}

func (f *fencedFS) OpenDir(name string) (vfs.File, error) {
	return f.open(func() (vfs.File, error) { return f.FS.OpenDir(name) })
}

func (f *fencedFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.open(func() (vfs.File, error) { return f.FS.ReuseForWrite(from, to, c) })
}

func (f *fencedFS) Link(from, to string) error {
	return f.do(func() error { return f.FS.Link(from, to) })
}

func (f *fencedFS) Remove(name string) error {
	return f.do(func() error { return f.FS.Remove(name) })
}

func (f *fencedFS) RemoveAll(name string) error {
	return f.do(func() error { return f.FS.RemoveAll(name) })
}

func (f *fencedFS) Rename(from, to string) error {
	return f.do(func() error { return f.FS.Rename(from, to) })
}

func (f *fencedFS) MkdirAll(dir string, perm os.FileMode) error {
	return f.do(func() error { return f.FS.MkdirAll(dir, perm) })
}

func (f *fencedFS) Unwrap() vfs.FS { return f.FS }

// fencedFile is a file of a fencedFS.
type fencedFile struct {
	vfs.File
	fs *fencedFS
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

func (f *fencedFile) begin() error {
	f.fs.mu.RLock()
	if f.fs.fenced {
		f.fs.mu.RUnlock()
		return errFenced
	}
	return nil
}

func (f *fencedFile) Read(p []byte) (int, error) {
	if err := f.begin(); err != nil {
		return 0, err
	}
	defer f.fs.mu.RUnlock()
	return f.File.Read(p)
}

func (f *fencedFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.begin(); err != nil {
		return 0, err
	}
	defer f.fs.mu.RUnlock()
	return f.File.ReadAt(p, off)
}

func (f *fencedFile) Write(p []byte) (int, error) {
	if err := f.begin(); err != nil {
		return 0, err
	}
	defer f.fs.mu.RUnlock()
	return f.File.Write(p)
}

func (f *fencedFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.begin(); err != nil {
		return 0, err
	}
	defer f.fs.mu.RUnlock()
	return f.File.WriteAt(p, off)
}

func (f *fencedFile) Preallocate(off, n int64) error {
	return f.fs.do(func() error { return f.File.Preallocate(off, n) })
}

func (f *fencedFile) Prefetch(off, n int64) error {
	return f.fs.do(func() error { return f.File.Prefetch(off, n) })
}

func (f *fencedFile) Stat() (vfs.FileInfo, error) {
	if err := f.begin(); err != nil {
		return nil, err
	}
	defer f.fs.mu.RUnlock()
	return f.File.Stat()
}

func (f *fencedFile) Sync() error { return f.fs.do(f.File.Sync) }

func (f *fencedFile) SyncData() error { return f.fs.do(f.File.SyncData) }

func (f *fencedFile) SyncTo(n int64) (full bool, err error) {
	if err := f.begin(); err != nil {
		return false, err
	}
	defer f.fs.mu.RUnlock()
	return f.File.SyncTo(n)
}
