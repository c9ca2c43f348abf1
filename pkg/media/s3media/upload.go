package s3media

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
)

// How long presigned addresses of uploads hold: long enough for a slow line, which sends slowPerSecond bytes.
const (
	shortestUpload = 15 * time.Minute
	slowPerSecond  = 32 << 10
)

// bufferPatience is how long a writer waits for a buffer.
const bufferPatience = 10 * time.Second

// Create implements media.Blobs. The target is one presigned address, or for more than PartSize this server and, to be
// preferred, presigned parts; with ViaGateway always this server.
func (b *Bucket) Create(ctx context.Context, id chat.MediaID, size int64, contentType string) (media.Target, error) {
	t := media.Target{Method: http.MethodPut}
	if size > maxParts*PartSize {
		return t, fmt.Errorf("create blob of %d bytes: %w", size, media.ErrTooLarge)
	}
	u, err := b.load(ctx, id)
	if errors.Is(err, errNoBucket) { // S3 was away when we started
		if err = b.ensure(ctx); err == nil {
			err = media.ErrNotFound
		}
	}
	if errors.Is(err, media.ErrNotFound) {
		u, err = b.begin(ctx, id, size, contentType)
	}
	if err != nil {
		return t, fmt.Errorf("create blob: %w", err)
	}
	if b.o.ViaGateway || u.parts() > maxDirect {
		return t, nil
	}
	for n := 1; n <= u.parts(); n++ {
		p := media.Part{}
		p.Offset, p.Size = u.part(n)
		if p.URL, err = b.signPart(ctx, id, &u, n); err != nil {
			return t, fmt.Errorf("create blob: %w", err)
		}
		t.Parts = append(t.Parts, p)
	}
	if len(t.Parts) == 1 {
		t.URL, t.Parts = t.Parts[0].URL, nil
	}
	return t, nil
}

// signPart makes an address that takes exactly one part of exactly its length. The content type was said at the beginning.
func (b *Bucket) signPart(ctx context.Context, id chat.MediaID, u *upload, n int) (string, error) {
	_, size := u.part(n)
	life := min(shortestUpload+time.Duration(u.Size/slowPerSecond)*time.Second, media.UploadLife)
	q := url.Values{"uploadId": {u.UploadID}, "partNumber": {strconv.Itoa(n)}}
	signed := http.Header{"Content-Length": {strconv.FormatInt(size, 10)}}
	to, err := b.public.PresignHeader(ctx, http.MethodPut, b.o.Bucket, key(id, media.Original), life, q, signed)
	if err != nil {
		return "", fmt.Errorf("sign upload: %s", err.Error())
	}
	return to.String(), nil
}

// Offset implements media.Blobs.
func (b *Bucket) Offset(ctx context.Context, id chat.MediaID) (int64, error) {
	u, err := b.load(ctx, id)
	if err == nil {
		var p progress
		if p, err = b.look(ctx, id, &u); err == nil {
			return p.reached(), nil
		}
	}
	if errors.Is(err, media.ErrNotFound) { // not being uploaded: complete, or nothing
		var info minio.ObjectInfo
		if info, err = b.stat(ctx, key(id, media.Original)); err == nil {
			return info.Size, nil
		}
	}
	return 0, fmt.Errorf("offset of blob: %w", err)
}

// Write implements media.Blobs.
func (b *Bucket) Write(ctx context.Context, id chat.MediaID, offset, size int64, r io.Reader) (int64, error) {
	if err := b.lock(id); err != nil {
		return 0, fmt.Errorf("write blob: %w", err)
	}
	defer b.unlock(id)
	u, err := b.load(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("write blob: %w", err)
	}
	if size != u.Size {
		return 0, fmt.Errorf("write blob: %d bytes were declared, not %d: %w", u.Size, size, media.ErrOffset)
	}
	p, err := b.look(ctx, id, &u)
	if err != nil {
		return 0, fmt.Errorf("write blob: %w", err)
	}
	if offset != p.reached() && offset != 0 {
		return p.reached(), fmt.Errorf("write blob: %w", media.ErrOffset)
	}
	if offset == 0 && p.reached() > 0 {
		if u, err = b.restart(ctx, id, u, &p); err != nil {
			return 0, fmt.Errorf("write blob: %w", err)
		}
	}
	buf, err := b.buffer(ctx)
	if err != nil {
		return offset, fmt.Errorf("write blob: %w", err)
	}
	defer func() { b.buffers <- buf }()
	if p.tail > 0 {
		if err := b.loadTail(ctx, id, buf[:p.tail]); err != nil {
			return offset, fmt.Errorf("write blob: %w", err)
		}
	}
	at, err := b.fill(ctx, id, &u, p, buf, r)
	if err != nil {
		err = fmt.Errorf("write blob: %w", err)
	}
	return at, err
}

// restart forgets what has come. The tail goes first: with the same beginning it would count for the new upload.
func (b *Bucket) restart(ctx context.Context, id chat.MediaID, u upload, p *progress) (upload, error) {
	if p.tail > 0 {
		if err := b.remove(ctx, tailKey(id)); err != nil {
			return u, err
		}
	}
	if len(p.parts) > 0 {
		old := u.UploadID
		var err error
		if u, err = b.begin(ctx, id, u.Size, u.ContentType); err != nil {
			return u, err
		}
		if err := b.abort(ctx, id, old); err != nil {
			return u, err
		}
	}
	*p = progress{}
	return u, nil
}

func (b *Bucket) buffer(ctx context.Context) ([]byte, error) {
	t := time.NewTimer(bufferPatience)
	defer t.Stop()
	select {
	case buf := <-b.buffers:
		if buf == nil {
			buf = make([]byte, PartSize)
		}
		return buf, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.C:
		return nil, fmt.Errorf("%d uploads at once: %w", writers, media.ErrBusy)
	}
}

// fill reads on from where p is, and stores part by part. buf begins with the tail. What was read is kept even if the
// request is gone meanwhile: that is when it matters.
func (b *Bucket) fill(ctx context.Context, id chat.MediaID, u *upload, p progress, buf []byte, r io.Reader) (int64, error) {
	keep := context.WithoutCancel(ctx)
	start, have, stored := p.whole, p.tail, p.reached()
	var broke error
	for start < u.Size {
		want := min(PartSize, u.Size-start)
		n, err := readUpTo(r, buf[have:want])
		have += int64(n)
		if have < want {
			broke = err
			break
		}
		if err := b.putPart(keep, id, u, int(start/PartSize)+1, buf[:want]); err != nil {
			return stored, err
		}
		start, have = start+want, 0
		stored = start
	}
	if have > 0 && start+have > stored {
		if err := b.saveTail(keep, id, start, buf[:have]); err != nil {
			return stored, err
		}
		stored = start + have
	}
	if broke != nil || stored < u.Size {
		return stored, broke
	}
	var one [1]byte
	switch _, err := io.ReadFull(r, one[:]); {
	case err == nil:
		return stored, media.ErrTooLarge
	case errors.Is(err, io.EOF):
		return stored, nil
	default:
		return stored, err
	}
}

// readUpTo fills p. It stops at the end of r without an error, and otherwise at r's own: io.ReadFull's can't be told from
// that of a body that broke off.
func readUpTo(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (b *Bucket) putPart(ctx context.Context, id chat.MediaID, u *upload, n int, data []byte) error {
	err := b.call(ctx, opPart, longer*b.o.Timeout, func(ctx context.Context) error {
		_, err := b.s3.PutObjectPart(ctx, b.o.Bucket, key(id, media.Original), u.UploadID, n, bytes.NewReader(data), int64(len(data)), minio.PutObjectPartOptions{})
		return err
	})
	if errors.Is(err, media.ErrNotFound) { // it was there a moment ago; whoever comes again is told whether it still is
		return fmt.Errorf("%w: the upload has vanished", errUnavailable)
	}
	return err
}

// Complete implements media.Blobs. The content is read once from beginning to end for its hash, in constant memory.
func (b *Bucket) Complete(ctx context.Context, id chat.MediaID, size int64) ([32]byte, error) {
	var sum [32]byte
	if err := b.lock(id); err != nil {
		return sum, fmt.Errorf("complete blob: %w", err)
	}
	defer b.unlock(id)
	u, err := b.load(ctx, id)
	uploading := err == nil
	if uploading {
		err = b.join(ctx, id, &u, size)
	}
	if err != nil && !errors.Is(err, media.ErrNotFound) {
		return sum, fmt.Errorf("complete blob: %w", err)
	}
	// Joined now, or before: by a request that went no further, or through another gateway.
	info, err := b.stat(ctx, key(id, media.Original))
	if err != nil {
		return sum, fmt.Errorf("complete blob: %w", err)
	}
	if info.Size != size {
		return sum, fmt.Errorf("complete blob: %d of %d bytes: %w", info.Size, size, media.ErrIncomplete)
	}
	c := b.content(ctx, key(id, media.Original), info)
	defer func() { _ = c.Close() }()
	h := sha256.New()
	if n, err := io.Copy(h, c); err != nil {
		return sum, fmt.Errorf("complete blob: %w", err)
	} else if n != size {
		return sum, fmt.Errorf("complete blob: %d of %d bytes read back: %w", n, size, errUnavailable)
	}
	if uploading {
		b.drop(context.WithoutCancel(ctx), tailKey(id), stateKey(id))
	}
	return [32]byte(h.Sum(nil)), nil
}

// join puts the parts together. ErrNotFound: there are none any more.
func (b *Bucket) join(ctx context.Context, id chat.MediaID, u *upload, size int64) error {
	p, err := b.look(ctx, id, u)
	if err != nil {
		return err
	}
	if p.whole != size {
		return fmt.Errorf("%d of %d bytes: %w", p.reached(), size, media.ErrIncomplete)
	}
	return b.call(ctx, opJoin, longer*b.o.Timeout, func(ctx context.Context) error {
		_, err := b.s3.CompleteMultipartUpload(ctx, b.o.Bucket, key(id, media.Original), u.UploadID, p.parts, minio.PutObjectOptions{})
		return err
	})
}

// Delete implements media.Blobs. The state goes last: until then a Delete that failed can be done again.
func (b *Bucket) Delete(ctx context.Context, id chat.MediaID) error {
	var open minio.ListMultipartUploadsResult
	err := b.call(ctx, opList, b.o.Timeout, func(ctx context.Context) (err error) {
		open, err = b.s3.ListMultipartUploads(ctx, b.o.Bucket, key(id, media.Original), "", "", "", 1000)
		return err
	})
	if err != nil && !errors.Is(err, media.ErrNotFound) {
		return fmt.Errorf("delete blob: %w", err)
	}
	uploads := make([]string, 0, len(open.Uploads)+1)
	for _, x := range open.Uploads {
		if x.Key == key(id, media.Original) {
			uploads = append(uploads, x.UploadID)
		}
	}
	if len(uploads) == 0 { // some list only what is old, or what has parts
		if u, err := b.load(ctx, id); err == nil {
			uploads = append(uploads, u.UploadID)
		} else if !errors.Is(err, media.ErrNotFound) {
			return fmt.Errorf("delete blob: %w", err)
		}
	}
	for _, x := range uploads {
		if err := b.abort(ctx, id, x); err != nil {
			return fmt.Errorf("delete blob: %w", err)
		}
	}
	for _, k := range []string{key(id, media.Thumb), key(id, media.Original), tailKey(id), stateKey(id)} {
		if err := b.remove(ctx, k); err != nil {
			return fmt.Errorf("delete blob: %w", err)
		}
	}
	return nil
}
