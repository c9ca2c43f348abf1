package s3media

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/minio/minio-go/v7"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
)

// upload is what uploads/ID.json holds.
type upload struct {
	UploadID    string `json:"uploadId"`
	Size        int64  `json:"size"` // declared
	ContentType string `json:"contentType"`
}

// part returns where a part (from 1 on) lies in the blob.
func (u *upload) part(n int) (offset, size int64) {
	offset = int64(n-1) * PartSize
	return offset, min(PartSize, u.Size-offset)
}

func (u *upload) parts() int { return int((u.Size + PartSize - 1) / PartSize) }

// maxState is more than a state can have, in bytes.
const maxState = 16 << 10

func (b *Bucket) load(ctx context.Context, id chat.MediaID) (u upload, err error) {
	err = b.call(ctx, opState, b.o.Timeout, func(ctx context.Context) error {
		body, _, _, err := b.s3.GetObject(ctx, b.o.Bucket, stateKey(id), minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		return json.NewDecoder(io.LimitReader(body, maxState)).Decode(&u)
	})
	return u, err
}

func (b *Bucket) save(ctx context.Context, id chat.MediaID, u upload) error {
	text, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	return b.put(ctx, opState, stateKey(id), text, minio.PutObjectOptions{ContentType: "application/json"})
}

func (b *Bucket) put(ctx context.Context, o op, k string, data []byte, opts minio.PutObjectOptions) error {
	return b.call(ctx, o, longer*b.o.Timeout, func(ctx context.Context) error {
		_, err := b.s3.PutObject(ctx, b.o.Bucket, k, bytes.NewReader(data), int64(len(data)), "", "", opts)
		return err
	})
}

// begin starts a multipart upload and remembers it.
func (b *Bucket) begin(ctx context.Context, id chat.MediaID, size int64, contentType string) (u upload, err error) {
	u = upload{Size: size, ContentType: contentType}
	err = b.call(ctx, opBegin, b.o.Timeout, func(ctx context.Context) (err error) {
		u.UploadID, err = b.s3.NewMultipartUpload(ctx, b.o.Bucket, key(id, media.Original), minio.PutObjectOptions{ContentType: contentType})
		return err
	})
	if err != nil {
		return u, err
	}
	if err := b.save(ctx, id, u); err != nil {
		if aerr := b.abort(context.WithoutCancel(ctx), id, u.UploadID); aerr != nil {
			b.o.Log.Warn("an upload that was never used stays in S3", "key", key(id, media.Original), "err", aerr)
		}
		return u, err
	}
	return u, nil
}

func (b *Bucket) abort(ctx context.Context, id chat.MediaID, uploadID string) error {
	err := b.call(ctx, opAbort, b.o.Timeout, func(ctx context.Context) error {
		return b.s3.AbortMultipartUpload(ctx, b.o.Bucket, key(id, media.Original), uploadID)
	})
	if errors.Is(err, media.ErrNotFound) {
		return nil
	}
	return err
}

// progress is what has come of an upload: the parts from the first on without a hole, and a tail after them.
type progress struct {
	parts []minio.CompletePart
	whole int64 // bytes in parts
	tail  int64 // bytes in the tail object
}

func (p *progress) reached() int64 { return p.whole + p.tail }

// look asks S3 what has come.
func (b *Bucket) look(ctx context.Context, id chat.MediaID, u *upload) (p progress, err error) {
	for marker, more := 0, true; more; {
		var page minio.ListObjectPartsResult
		err := b.call(ctx, opList, b.o.Timeout, func(ctx context.Context) (err error) {
			page, err = b.s3.ListObjectParts(ctx, b.o.Bucket, key(id, media.Original), u.UploadID, marker, 1000)
			return err
		})
		if err != nil {
			return p, err
		}
		for _, x := range page.ObjectParts {
			n := len(p.parts) + 1
			if _, size := u.part(n); x.PartNumber != n || x.Size != size {
				page.IsTruncated = false
				break // a hole, or a part that isn't whole: what comes after doesn't count yet
			}
			p.parts = append(p.parts, minio.CompletePart{PartNumber: n, ETag: x.ETag})
			p.whole += x.Size
		}
		more = page.IsTruncated && page.NextPartNumberMarker > marker
		marker = page.NextPartNumberMarker
	}
	if p.whole == u.Size {
		return p, nil
	}
	var info minio.ObjectInfo
	err = b.call(ctx, opStat, b.o.Timeout, func(ctx context.Context) (err error) {
		info, err = b.s3.StatObject(ctx, b.o.Bucket, tailKey(id), minio.StatObjectOptions{})
		return err
	})
	switch {
	case errors.Is(err, media.ErrNotFound):
		return p, nil
	case err != nil:
		return p, err
	}
	if info.UserMetadata[tailStart] == strconv.FormatInt(p.whole, 10) && info.Size < PartSize {
		p.tail = info.Size
	}
	return p, nil
}

// tailStart is the metadata that says at which byte of the blob a tail begins: one that a full part made obsolete is known
// by it.
const tailStart = "Start"

func (b *Bucket) saveTail(ctx context.Context, id chat.MediaID, start int64, data []byte) error {
	return b.put(ctx, opPut, tailKey(id), data, minio.PutObjectOptions{
		ContentType: "application/octet-stream", UserMetadata: map[string]string{tailStart: strconv.FormatInt(start, 10)},
	})
}

// loadTail reads the tail into the beginning of buf.
func (b *Bucket) loadTail(ctx context.Context, id chat.MediaID, buf []byte) error {
	return b.call(ctx, opGet, longer*b.o.Timeout, func(ctx context.Context) error {
		body, _, _, err := b.s3.GetObject(ctx, b.o.Bucket, tailKey(id), minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		_, err = io.ReadFull(body, buf)
		return err
	})
}
