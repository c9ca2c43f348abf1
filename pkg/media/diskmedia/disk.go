package diskmedia

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
)

// DefaultMinFree is kept free on the disk, so that blobs never take the room of messages, in bytes.
const DefaultMinFree = 256 << 20

// checkEvery: free space is looked at again after so many bytes written.
const checkEvery = 4 << 20

// Options of a disk engine.
type Options struct {
	Dir     string // made if missing
	MinFree int64  // bytes; 0 means DefaultMinFree, negative none
	// Free returns the bytes free under a folder; default asks the operating system.
	Free func(dir string) (int64, error)
	// ReadOnly makes no folder in Dir: for reading blobs only.
	ReadOnly bool
}

// Disk implements media.Blobs in a folder. Safe for concurrent use by one process.
type Disk struct {
	o  Options
	mu sync.Mutex
	// writing are the blobs that a request is writing or completing now; guarded by mu.
	writing map[chat.MediaID]struct{}
}

var _ media.Blobs = (*Disk)(nil)

// Open prepares the folder.
func Open(o Options) (*Disk, error) {
	if o.MinFree == 0 {
		o.MinFree = DefaultMinFree
	}
	if o.Free == nil {
		o.Free = free
	}
	if !o.ReadOnly {
		if err := os.MkdirAll(filepath.Join(o.Dir, "uploads"), 0o700); err != nil {
			return nil, fmt.Errorf("open media folder: %w", err)
		}
	}
	return &Disk{o: o, writing: make(map[chat.MediaID]struct{})}, nil
}

func free(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

func (d *Disk) upload(id chat.MediaID) string {
	return filepath.Join(d.o.Dir, "uploads", id.String())
}

func (d *Disk) shard(id chat.MediaID) string {
	return filepath.Join(d.o.Dir, fmt.Sprintf("%02x", id[15]))
}

func (d *Disk) path(id chat.MediaID, v media.Variant) string {
	p := filepath.Join(d.shard(id), id.String())
	if v == media.Thumb {
		p += ".thumb"
	}
	return p
}

// lock makes the caller the only writer of a blob.
func (d *Disk) lock(id chat.MediaID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, busy := d.writing[id]; busy {
		return media.ErrBusy
	}
	d.writing[id] = struct{}{}
	return nil
}

func (d *Disk) unlock(id chat.MediaID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.writing, id)
}

// room fails when need more bytes would leave less than MinFree.
func (d *Disk) room(need int64) error {
	if d.o.MinFree < 0 {
		return nil
	}
	n, err := d.o.Free(d.o.Dir)
	if err != nil {
		return fmt.Errorf("look at free space: %w", err)
	}
	if n-need < d.o.MinFree {
		return media.ErrFull
	}
	return nil
}

// Create implements media.Blobs.
func (d *Disk) Create(_ context.Context, id chat.MediaID, size int64, _ string) (media.Target, error) {
	if err := d.room(size); err != nil {
		return media.Target{}, fmt.Errorf("create blob: %w", err)
	}
	f, err := os.OpenFile(d.upload(id), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return media.Target{}, wrap("create blob", err)
	}
	return media.Target{Method: "PUT"}, wrap("create blob", f.Close())
}

// Write implements media.Blobs.
func (d *Disk) Write(ctx context.Context, id chat.MediaID, offset, size int64, r io.Reader) (int64, error) {
	if err := d.lock(id); err != nil {
		return 0, fmt.Errorf("write blob: %w", err)
	}
	defer d.unlock(id)
	f, err := os.OpenFile(d.upload(id), os.O_WRONLY, 0)
	if err != nil {
		return 0, wrap("write blob", err)
	}
	at, err := d.write(ctx, f, offset, size, r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return at, wrap("write blob", err)
}

func (d *Disk) write(ctx context.Context, f *os.File, offset, size int64, r io.Reader) (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	have := st.Size()
	if offset != have && offset != 0 {
		return have, media.ErrOffset
	}
	if offset == 0 && have > 0 {
		if err := f.Truncate(0); err != nil {
			return have, err
		}
	}
	at := offset
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return at, err
	}
	for at < size {
		if err := ctx.Err(); err != nil {
			return at, err
		}
		step := min(size-at, checkEvery)
		if err := d.room(step); err != nil {
			return at, err
		}
		n, err := io.CopyN(f, r, step)
		at += n
		if errors.Is(err, io.EOF) {
			return at, nil
		}
		if err != nil {
			return at, err
		}
	}
	var one [1]byte
	switch _, err := io.ReadFull(r, one[:]); {
	case err == nil:
		return at, media.ErrTooLarge
	case errors.Is(err, io.EOF):
		return at, nil
	default:
		return at, err
	}
}

// Offset implements media.Blobs.
func (d *Disk) Offset(_ context.Context, id chat.MediaID) (int64, error) {
	st, err := os.Stat(d.path(id, media.Original))
	if errors.Is(err, fs.ErrNotExist) {
		st, err = os.Stat(d.upload(id))
	}
	if err != nil {
		return 0, wrap("offset of blob", err)
	}
	return st.Size(), nil
}

// Complete implements media.Blobs.
func (d *Disk) Complete(ctx context.Context, id chat.MediaID, size int64) (sum [32]byte, err error) {
	if err := d.lock(id); err != nil {
		return sum, fmt.Errorf("complete blob: %w", err)
	}
	defer d.unlock(id)
	// The final name first: completing twice finds it.
	from := d.path(id, media.Original)
	f, err := os.OpenFile(from, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		from = d.upload(id)
		f, err = os.OpenFile(from, os.O_RDWR, 0)
	}
	if err != nil {
		return sum, wrap("complete blob", err)
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, &contextReader{ctx, f})
	if err != nil {
		return sum, wrap("complete blob", err)
	}
	if n != size {
		return sum, fmt.Errorf("complete blob: %d of %d bytes: %w", n, size, media.ErrIncomplete)
	}
	if err := f.Sync(); err != nil {
		return sum, wrap("complete blob", err)
	}
	if from != d.path(id, media.Original) {
		if err := d.publish(from, d.path(id, media.Original), d.shard(id)); err != nil {
			return sum, wrap("complete blob", err)
		}
	}
	return [32]byte(h.Sum(nil)), nil
}

// publish gives a synced file its final name, durably.
func (d *Disk) publish(from, to, shard string) error {
	switch err := os.Mkdir(shard, 0o700); {
	case err == nil:
		if err := syncDir(d.o.Dir); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(shard)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// Open implements media.Blobs.
func (d *Disk) Open(_ context.Context, id chat.MediaID, v media.Variant) (media.Blob, error) {
	f, err := os.Open(d.path(id, v))
	if err != nil {
		return media.Blob{}, wrap("open blob", err)
	}
	st, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return media.Blob{}, wrap("open blob", err)
	}
	return media.Blob{ReadSeekCloser: f, Size: st.Size(), ModTime: st.ModTime()}, nil
}

// PutThumb implements media.Blobs.
func (d *Disk) PutThumb(_ context.Context, id chat.MediaID, data []byte) error {
	if err := d.lock(id); err != nil {
		return fmt.Errorf("store thumbnail: %w", err)
	}
	defer d.unlock(id)
	if err := d.room(int64(len(data))); err != nil {
		return fmt.Errorf("store thumbnail: %w", err)
	}
	tmp := d.upload(id) + ".thumb"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return wrap("store thumbnail", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.publish(tmp, d.path(id, media.Thumb), d.shard(id))
	}
	return wrap("store thumbnail", err)
}

// Delete implements media.Blobs.
func (d *Disk) Delete(_ context.Context, id chat.MediaID) error {
	for _, p := range []string{d.upload(id), d.upload(id) + ".thumb", d.path(id, media.Thumb), d.path(id, media.Original)} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return wrap("delete blob", err)
		}
	}
	return nil
}

// wrap names the operation and turns the system's errors into the port's.
func wrap(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", op, media.ErrNotFound)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s: %w", op, media.ErrFull)
	}
	return fmt.Errorf("%s: %w", op, err)
}

// contextReader stops reading when its request is gone.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
