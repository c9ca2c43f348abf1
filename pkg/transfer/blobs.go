package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
)

const (
	// DefaultBlobWorkers is how many blobs are under way at once.
	DefaultBlobWorkers = 4
	// maxThumb bounds a thumbnail, which is held in memory.
	maxThumb  = 16 << 20
	shownLost = 20
)

// BlobReader is where blobs come from: a part of media.Blobs.
type BlobReader interface {
	Open(ctx context.Context, id chat.MediaID, v media.Variant) (media.Blob, error)
}

// BlobOptions say which blobs are copied: those that the media rows of Source describe and that are complete.
type BlobOptions struct {
	Source     Source
	From       BlobReader
	To         media.Blobs
	Workers    int  // default DefaultBlobWorkers
	VerifyOnly bool // only read what is there
	// Progress, when set, is called about once a second, never concurrently.
	Progress func(BlobReport)
}

// BlobReport says what a copy of blobs did.
type BlobReport struct {
	Blobs, Bytes int64 // that are there with the right SHA-256, those that were there before included
	Before       int64 // of which were there before
	Thumbs       int64
	Unfinished   int64 // uploads that were never completed: left behind
	// Lost are blobs that the source describes and doesn't have, the first ones; LostCount counts all.
	Lost      []chat.MediaID
	LostCount int64
}

// Blobs copies the bytes of media and compares the SHA-256 of what the target then has with the description. What is there is
// not sent again, so it goes on where it was stopped. ErrWrong.
func Blobs(ctx context.Context, o BlobOptions) (BlobReport, error) {
	b := &blobs{o: o}
	if b.o.Workers <= 0 {
		b.o.Workers = DefaultBlobWorkers
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan chat.Media)
	var wg sync.WaitGroup
	for range b.o.Workers {
		wg.Go(func() {
			for m := range work {
				if err := b.one(ctx, m); err != nil {
					cancel(fmt.Errorf("blob %s: %w", m.ID, err))
				}
			}
		})
	}
	err := b.o.Source.Rows(ctx, Media, nil, func(r Row) error {
		m, ok := r.Value.(chat.Media)
		if !ok {
			return fmt.Errorf("transfer: a media row holds a %T", r.Value)
		}
		select {
		case work <- m:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	close(work)
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
		err = cause
	}
	if err != nil {
		return b.r, fmt.Errorf("copy media: %w", err)
	}
	return b.r, nil
}

type blobs struct {
	o     BlobOptions
	mu    sync.Mutex
	r     BlobReport
	shown time.Time
}

func (b *blobs) note(f func(r *BlobReport)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.r)
	if b.o.Progress != nil && time.Since(b.shown) > time.Second {
		b.shown = time.Now()
		b.o.Progress(b.r)
	}
}

// one copies a blob and its thumbnail.
func (b *blobs) one(ctx context.Context, m chat.Media) error {
	if !m.Ready {
		b.note(func(r *BlobReport) { r.Unfinished++ })
		return nil
	}
	sum, err := b.o.To.Complete(ctx, m.ID, m.Size)
	there := err == nil && sum == m.SHA256
	switch {
	case err != nil && !errors.Is(err, media.ErrNotFound) && !errors.Is(err, media.ErrIncomplete):
		return err
	case b.o.VerifyOnly && err != nil:
		return fmt.Errorf("%w: the target doesn't have it: %w", ErrWrong, err)
	case b.o.VerifyOnly && !there:
		return fmt.Errorf("%w: its SHA-256 is %x, not %x", ErrWrong, sum, m.SHA256)
	}
	if !there {
		err := b.send(ctx, m)
		if errors.Is(err, media.ErrNotFound) {
			b.note(func(r *BlobReport) {
				if r.LostCount++; len(r.Lost) < shownLost {
					r.Lost = append(r.Lost, m.ID)
				}
			})
			return nil
		}
		if err != nil {
			return err
		}
	}
	thumbs, err := b.thumb(ctx, m)
	if err != nil {
		return fmt.Errorf("thumbnail: %w", err)
	}
	b.note(func(r *BlobReport) {
		r.Blobs, r.Bytes, r.Thumbs = r.Blobs+1, r.Bytes+m.Size, r.Thumbs+thumbs
		if there {
			r.Before++
		}
	})
	return nil
}

// send streams a blob. media.ErrNotFound: the source doesn't have it.
func (b *blobs) send(ctx context.Context, m chat.Media) (err error) {
	blob, err := b.o.From.Open(ctx, m.ID, media.Original)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blob.Close()) }()
	if blob.Size != m.Size {
		return fmt.Errorf("%w: the source's file has %d bytes, %d are described", ErrWrong, blob.Size, m.Size)
	}
	if _, err := b.o.To.Create(ctx, m.ID, m.Size, m.ContentType); err != nil {
		return sending(err)
	}
	h := sha256.New()
	if _, err := b.o.To.Write(ctx, m.ID, 0, m.Size, io.TeeReader(blob, h)); err != nil {
		return sending(err)
	}
	if sum := [32]byte(h.Sum(nil)); sum != m.SHA256 {
		return fmt.Errorf("%w: the SHA-256 of the source's file is %x, not %x", ErrWrong, sum, m.SHA256)
	}
	sum, err := b.o.To.Complete(ctx, m.ID, m.Size)
	if err != nil {
		return sending(err)
	}
	if sum != m.SHA256 {
		return fmt.Errorf("%w: the SHA-256 of what the target got is %x, not %x", ErrWrong, sum, m.SHA256)
	}
	return nil
}

// sending keeps a target's ErrNotFound from being taken for the source's.
func sending(err error) error {
	if errors.Is(err, media.ErrNotFound) {
		return fmt.Errorf("target: %s", err.Error())
	}
	return err
}

// thumb copies a thumbnail and reads it back. One that the source lacks can be made again and is no loss.
func (b *blobs) thumb(ctx context.Context, m chat.Media) (int64, error) {
	if !m.Thumb {
		return 0, nil
	}
	want, err := b.bytes(ctx, b.o.From, m.ID)
	if errors.Is(err, media.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	have, err := b.bytes(ctx, b.o.To, m.ID)
	if err == nil && bytes.Equal(have, want) {
		return 1, nil
	}
	if b.o.VerifyOnly {
		return 0, fmt.Errorf("%w: the target's is another or none", ErrWrong)
	}
	if err := b.o.To.PutThumb(ctx, m.ID, want); err != nil {
		return 0, err
	}
	if have, err = b.bytes(ctx, b.o.To, m.ID); err != nil {
		return 0, sending(err)
	}
	if !bytes.Equal(have, want) {
		return 0, fmt.Errorf("%w: the target holds other bytes than were sent", ErrWrong)
	}
	return 1, nil
}

func (b *blobs) bytes(ctx context.Context, from BlobReader, id chat.MediaID) (out []byte, err error) {
	blob, err := from.Open(ctx, id, media.Thumb)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, blob.Close()) }()
	if blob.Size > maxThumb {
		return nil, fmt.Errorf("%w: a thumbnail of %d bytes", ErrWrong, blob.Size)
	}
	return io.ReadAll(io.LimitReader(blob, maxThumb))
}
