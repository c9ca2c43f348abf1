package s3media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
)

const (
	// linkLife is how long an address of a download may be used to begin one. It bears clocks that are as far apart.
	linkLife = 5 * time.Minute
	// headSize is how much of a blob is read first and kept: enough to know its type, measure it and find its EXIF.
	headSize = 64 << 10
)

// Open implements media.Blobs. It costs one request; the content is asked for when it is read.
func (b *Bucket) Open(ctx context.Context, id chat.MediaID, v media.Variant) (media.Blob, error) {
	k := key(id, v)
	info, err := b.stat(ctx, k)
	if err != nil {
		return media.Blob{}, fmt.Errorf("open blob: %w", err)
	}
	blob := media.Blob{ReadSeekCloser: b.content(ctx, k, info), Size: info.Size, ModTime: info.LastModified}
	if v == media.Thumb {
		blob.ContentType = info.ContentType
	}
	if b.o.ViaGateway {
		return blob, nil
	}
	blob.Redirect = func(contentType, disposition string) (string, error) {
		q := url.Values{
			"response-content-type": {contentType}, "response-content-disposition": {disposition}, "response-cache-control": {"private"},
		}
		to, err := b.public.Presign(ctx, http.MethodGet, b.o.Bucket, k, linkLife, q)
		if err != nil {
			return "", fmt.Errorf("sign download: %s", err.Error())
		}
		return to.String(), nil
	}
	return blob, nil
}

// PutThumb implements media.Blobs.
func (b *Bucket) PutThumb(ctx context.Context, id chat.MediaID, data []byte) error {
	if err := b.put(ctx, opPut, key(id, media.Thumb), data, minio.PutObjectOptions{ContentType: http.DetectContentType(data)}); err != nil {
		return fmt.Errorf("store thumbnail: %w", err)
	}
	return nil
}

func (b *Bucket) stat(ctx context.Context, k string) (info minio.ObjectInfo, err error) {
	err = b.call(ctx, opStat, b.o.Timeout, func(ctx context.Context) (err error) {
		info, err = b.s3.StatObject(ctx, b.o.Bucket, k, minio.StatObjectOptions{})
		return err
	})
	return info, err
}

// content reads an object lazily. Its first stretch is read once and kept, so that looking at a picture's beginning again
// and again costs one request; from there on it streams.
type content struct {
	b    *Bucket
	ctx  context.Context // of the request that opened it, which ends before this is closed
	key  string
	etag string
	size int64

	pos    int64
	head   []byte // the first bytes, when they were read
	body   io.ReadCloser
	bodyAt int64 // where body stands
	cancel context.CancelFunc
}

func (b *Bucket) content(ctx context.Context, k string, info minio.ObjectInfo) *content {
	return &content{b: b, ctx: ctx, key: k, etag: info.ETag, size: info.Size}
}

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	if c.pos >= c.size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if c.pos < headSize {
		if c.head == nil {
			if err := c.readHead(); err != nil {
				return 0, err
			}
		}
		n := copy(p, c.head[c.pos:])
		c.pos += int64(n)
		return n, nil
	}
	if c.body == nil || c.bodyAt != c.pos {
		if err := c.open(c.pos, c.size-1); err != nil {
			return 0, err
		}
	}
	n, err := c.body.Read(p)
	c.pos += int64(n)
	c.bodyAt = c.pos
	switch {
	case err == nil, errors.Is(err, io.EOF) && c.pos == c.size:
		return n, nil // the end is told by the next call
	case errors.Is(err, io.EOF):
		return n, fmt.Errorf("read blob: %w: it ended early", errUnavailable)
	}
	return n, fmt.Errorf("read blob: %w", translate(err))
}

func (c *content) readHead() error {
	n := min(headSize, c.size)
	if err := c.open(0, n-1); err != nil {
		return err
	}
	head := make([]byte, n)
	_, err := io.ReadFull(c.body, head)
	c.end()
	if err != nil {
		return fmt.Errorf("read blob: %w", translate(err))
	}
	c.head = head
	return nil
}

// open asks for the bytes first to last. Headers must come in time; the body may take long, as long as it moves.
func (c *content) open(first, last int64) error {
	c.end()
	ctx, cancel := context.WithCancel(c.ctx)
	late := time.AfterFunc(c.b.o.Timeout, cancel)
	opts := minio.GetObjectOptions{}
	err := errors.Join(opts.SetRange(first, last), opts.SetMatchETag(c.etag))
	if err == nil {
		o := opGet
		err = c.b.brk.Do(func() error {
			c.b.requests[o].Add(1)
			body, _, _, err := c.b.s3.GetObject(ctx, c.b.o.Bucket, c.key, opts)
			c.body = body
			if !late.Stop() && c.ctx.Err() == nil {
				err = context.DeadlineExceeded
			}
			return translate(err)
		})
		if err != nil && unavailable(err) {
			c.b.failures[o].Add(1)
		}
	}
	if err != nil {
		c.end()
		cancel()
		return fmt.Errorf("read blob: %w", err)
	}
	c.bodyAt, c.cancel = first, cancel
	return nil
}

func (c *content) end() {
	if c.body != nil {
		_ = c.body.Close()
	}
	if c.cancel != nil {
		c.cancel()
	}
	c.body, c.cancel = nil, nil
}

// Seek implements io.Seeker. It makes no request.
func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.pos
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, errors.New("read blob: seek before the beginning")
	}
	c.pos = offset
	return offset, nil
}

// Close implements io.Closer.
func (c *content) Close() error {
	c.end()
	return nil
}
