package loadtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
)

// Of the upload that the object store dies in.
const (
	uploadBytes = 40 << 20
	uploadRate  = 10 << 20 // bytes/s at most, so that there is a middle to die in
	uploadTries = 20       // of the whole, each after a second
)

// slowly reads a blob no faster than uploadRate and counts what was read. It is read from one goroutine at a time.
type slowly struct {
	*bytes.Reader
	read atomic.Int64
}

func (b *slowly) pace(n int) {
	b.read.Add(int64(n))
	time.Sleep(time.Duration(n) * time.Second / uploadRate)
}

func (b *slowly) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p[:min(len(p), 64<<10)])
	b.pace(n)
	return n, err
}

func (b *slowly) ReadAt(p []byte, at int64) (int, error) {
	n, err := b.Reader.ReadAt(p, at)
	b.pace(n)
	return n, err
}

// WriteTo hides bytes.Reader's, which would pass everything on at once.
func (b *slowly) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{b})
}

// killObjects kills the object store while somebody uploads; the client goes on when it is back, and what is read in the
// end is what was written. Chat itself doesn't need the store.
func killObjects(ctx context.Context, s *siege, p pace) error {
	blob := make([]byte, int(float64(uploadBytes)*max(p.scale, 0.5)))
	_, _ = rand.NewChaCha8([32]byte{byte(s.n)}).Read(blob)
	body := &slowly{Reader: bytes.NewReader(blob)}
	who := s.ps[0]
	type result struct {
		media chat.MediaID
		tries int
		err   error
	}
	done := make(chan result, 1)
	uploadCtx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	go func() {
		var r result
		for r.tries = 1; ; r.tries++ {
			_, _ = body.Seek(0, io.SeekStart)
			m, err := who.rest.UploadMedia(uploadCtx, client.Upload{Conversation: s.convs[0], ContentType: "application/octet-stream", Name: "noise.bin", Size: int64(len(blob))}, body)
			r.media, r.err = m.ID, err
			if err == nil || r.tries == uploadTries || s.wait(uploadCtx, time.Second) != nil {
				done <- r
				return
			}
		}
	}()
	for body.read.Load() < int64(len(blob)/3) {
		select {
		case r := <-done:
			return fmt.Errorf("the upload ended before the object store was killed: %w", errors.Join(r.err, errors.New("no fault")))
		case <-time.After(10 * time.Millisecond):
		}
	}
	s.struck()
	if err := s.fl.c.Kill(ctx, "s3"); err != nil {
		return err
	}
	s.after(func(ctx context.Context) error { return s.fl.c.Start(ctx, "s3") })
	if err := s.wait(ctx, max(p.lasting(10*time.Second), 4*time.Second)); err != nil {
		return err
	}
	if err := s.fl.c.Start(ctx, "s3"); err != nil {
		return err
	}
	s.ceased()
	r := <-done
	if r.err != nil {
		return fmt.Errorf("the upload: %w", r.err)
	}
	s.note("uploaded in %d tries, %.1f s after the store was back", r.tries, time.Since(s.over).Seconds())
	read, err := who.rest.OpenMedia(ctx, r.media, 0)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(read)
	if err = errors.Join(err, read.Close()); err != nil {
		return fmt.Errorf("read the upload back: %w", err)
	}
	if !bytes.Equal(got, blob) {
		return fmt.Errorf("the upload came back as %d other bytes, it had %d", len(got), len(blob))
	}
	return nil
}
