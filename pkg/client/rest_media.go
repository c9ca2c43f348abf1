package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// Upload says what is uploaded, and for whom to see.
type Upload struct {
	Conversation chat.ConversationID // zero with Avatar
	Avatar       bool
	ContentType  string // MIME type
	Name         string
	Size         int64 // bytes
}

// Large uploads.
const (
	partSize    = 8 << 20 // bytes; a smaller blob goes in one request
	partRetries = 3       // in a row without getting further
)

// UploadMedia uploads a blob of u.Size bytes and returns it as messages name it. When it is large and body is an
// io.ReaderAt (a file is), it goes in parts, each sent again from where the server has got to when it fails.
func (r *REST) UploadMedia(ctx context.Context, u Upload, body io.Reader) (protocol.Media, error) {
	in := struct {
		ContentType  string              `json:"contentType"`
		Size         int64               `json:"size"`
		Name         string              `json:"name"`
		Conversation chat.ConversationID `json:"conversationId,omitzero"`
		Purpose      string              `json:"purpose,omitempty"`
	}{ContentType: u.ContentType, Size: u.Size, Name: u.Name, Conversation: u.Conversation}
	if u.Avatar {
		in.Purpose = "avatar"
	}
	var target struct {
		ID     chat.MediaID `json:"id"`
		Upload uploadTarget `json:"upload"`
	}
	if err := r.call(ctx, http.MethodPost, "/media", in, &target); err != nil {
		return protocol.Media{}, err
	}
	send := func() error { return r.put(ctx, target.Upload, u, body, 0, u.Size) }
	if at, ok := body.(io.ReaderAt); ok && u.Size > partSize && strings.HasPrefix(target.Upload.URL, "/") {
		send = func() error { return r.putParts(ctx, target.Upload, u, at) }
	}
	if err := send(); err != nil {
		return protocol.Media{}, fmt.Errorf("upload media: %w", err)
	}
	var out protocol.Media
	return out, r.call(ctx, http.MethodPost, "/media/"+target.ID.String()+"/complete", nil, &out)
}

type uploadTarget struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
}

// put sends the bytes from offset to end, which body holds.
func (r *REST) put(ctx context.Context, t uploadTarget, u Upload, body io.Reader, offset, end int64) error {
	req, err := http.NewRequestWithContext(ctx, t.Method, r.absolute(t.URL), body)
	if err != nil {
		return err
	}
	req.ContentLength = end - offset
	req.Header.Set("Content-Type", u.ContentType)
	for k, v := range t.Headers {
		req.Header.Set(k, v)
	}
	if end-offset < u.Size {
		req.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, end-1, u.Size))
	}
	res, err := r.fetch(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// putParts sends a blob in parts.
func (r *REST) putParts(ctx context.Context, t uploadTarget, u Upload, body io.ReaderAt) error {
	failed := 0
	for offset := int64(0); offset < u.Size; {
		end := min(offset+partSize, u.Size)
		err := r.put(ctx, t, u, io.NewSectionReader(body, offset, end-offset), offset, end)
		if err == nil {
			offset, failed = end, 0
			continue
		}
		var refused *chat.Error
		if failed++; failed > partRetries || ctx.Err() != nil || (errors.As(err, &refused) && !refused.Code.Retryable()) {
			return err
		}
		reached, herr := r.reached(ctx, t)
		if herr != nil {
			return errors.Join(err, herr)
		}
		offset = reached
	}
	return nil
}

// reached asks how much of an upload the server has.
func (r *REST) reached(ctx context.Context, t uploadTarget) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, r.absolute(t.URL), nil)
	if err != nil {
		return 0, err
	}
	res, err := r.fetch(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	return strconv.ParseInt(res.Header.Get("Upload-Offset"), 10, 64)
}

// OpenMedia reads a blob from an offset on; the caller closes it. FORBIDDEN for who isn't a member.
func (r *REST) OpenMedia(ctx context.Context, id chat.MediaID, offset int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+protocol.MediaPath(id), nil)
	if err != nil {
		return nil, fmt.Errorf("open media: %w", err)
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	res, err := r.fetch(req)
	if err != nil {
		return nil, fmt.Errorf("open media: %w", err)
	}
	if offset > 0 && res.StatusCode != http.StatusPartialContent {
		_ = res.Body.Close()
		return nil, fmt.Errorf("open media: the server ignored the range")
	}
	return res.Body, nil
}

func (r *REST) absolute(u string) string {
	if strings.HasPrefix(u, "/") {
		return r.base + u
	}
	return u
}

// fetch sends a request; the token goes to our own server only, never to where a presigned URL points.
func (r *REST) fetch(req *http.Request) (*http.Response, error) {
	if strings.HasPrefix(req.URL.String(), r.base+"/") {
		return r.do(req)
	}
	return r.WithToken("").do(req)
}
