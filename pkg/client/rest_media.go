package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
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

// UploadMedia uploads a blob of u.Size bytes in one request and returns it as messages name it.
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
		Upload struct {
			URL     string            `json:"url"`
			Method  string            `json:"method"`
			Headers map[string]string `json:"headers"`
		} `json:"upload"`
	}
	if err := r.call(ctx, http.MethodPost, "/media", in, &target); err != nil {
		return protocol.Media{}, err
	}
	req, err := http.NewRequestWithContext(ctx, target.Upload.Method, r.absolute(target.Upload.URL), body)
	if err != nil {
		return protocol.Media{}, fmt.Errorf("upload media: %w", err)
	}
	req.ContentLength = u.Size
	req.Header.Set("Content-Type", u.ContentType)
	for k, v := range target.Upload.Headers {
		req.Header.Set(k, v)
	}
	res, err := r.fetch(req)
	if err != nil {
		return protocol.Media{}, fmt.Errorf("upload media: %w", err)
	}
	_ = res.Body.Close()
	var out protocol.Media
	return out, r.call(ctx, http.MethodPost, "/media/"+target.ID.String()+"/complete", nil, &out)
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
