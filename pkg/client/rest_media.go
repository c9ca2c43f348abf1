package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

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
	// Patience is how long to go on trying while nothing gets further, as when the servers are away; default 2 min.
	Patience time.Duration
}

// Uploads.
const (
	partSize        = 8 << 20 // bytes; more goes in parts of this size, unless the server says otherwise
	defaultPatience = 2 * time.Minute
)

// Pauses between attempts of an upload: each twice the one before, and jittered.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second
)

// UploadMedia uploads a blob of u.Size bytes and returns it as messages name it. The bytes go where the server says: to
// itself, or at once to where blobs lie. A large blob goes in parts. What fails in a way that may pass is tried again, from
// where the other side has got to, until u.Patience passed without any progress; what was refused is not. Of a body that is
// no io.ReaderAt (a file is one) up to 8 MiB are held in memory.
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
	if u.Patience <= 0 {
		u.Patience = defaultPatience
	}
	var target struct {
		ID     chat.MediaID `json:"id"`
		Upload uploadTarget `json:"upload"`
	}
	// Not tried again: each attempt that came through would begin another upload.
	if err := r.call(ctx, http.MethodPost, "/media", in, &target); err != nil {
		return protocol.Media{}, err
	}
	s := sending{rest: r, target: target.Upload, upload: u}
	s.at, _ = body.(io.ReaderAt)
	s.body = body
	if err := s.all(ctx); err != nil {
		return protocol.Media{}, fmt.Errorf("upload media: %w", err)
	}
	var out protocol.Media
	err := insist(ctx, u.Patience, func() (bool, error) {
		return false, r.call(ctx, http.MethodPost, "/media/"+target.ID.String()+"/complete", nil, &out)
	})
	return out, err
}

type uploadTarget struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
	Parts   []struct {
		URL    string `json:"url"`
		Offset int64  `json:"offset"`
		Size   int64  `json:"size"`
	} `json:"parts"`
}

// sending is one upload under way.
type sending struct {
	rest   *REST
	target uploadTarget
	upload Upload
	body   io.Reader
	at     io.ReaderAt // body, when it is one
}

// all sends everything, part by part.
func (s *sending) all(ctx context.Context) error {
	direct := strings.HasPrefix(s.target.URL, "http")
	if parts := s.target.Parts; len(parts) > 0 {
		for _, p := range parts {
			src, err := s.section(p.Offset, p.Size)
			if err != nil {
				return err
			}
			if err := s.part(ctx, p.URL, src, p.Offset, p.Size, true); err != nil {
				return err
			}
		}
		return nil
	}
	step := int64(partSize)
	if direct {
		step = s.upload.Size
	}
	for offset := int64(0); offset < s.upload.Size; offset += step {
		n := min(step, s.upload.Size-offset)
		src, err := s.section(offset, n)
		if err != nil {
			return err
		}
		if err := s.part(ctx, s.target.URL, src, offset, n, direct); err != nil {
			return err
		}
	}
	return nil
}

// section is a stretch of the body that can be read again and again.
func (s *sending) section(offset, n int64) (io.ReaderAt, error) {
	if s.at != nil {
		return io.NewSectionReader(s.at, offset, n), nil
	}
	if n > partSize {
		return nil, fmt.Errorf("the server wants %d bytes at once: give a body that is an io.ReaderAt", n)
	}
	buf := make([]byte, n)
	if _, err := io.ReadFull(s.body, buf); err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	return bytes.NewReader(buf), nil
}

// part sends n bytes that lie at offset of the blob. To our own server it goes on where that has got to; elsewhere a part
// counts whole or not at all.
func (s *sending) part(ctx context.Context, url string, src io.ReaderAt, offset, n int64, direct bool) error {
	done := int64(0)
	return insist(ctx, s.upload.Patience, func() (further bool, err error) {
		err = s.put(ctx, url, io.NewSectionReader(src, done, n-done), offset+done, offset+n, direct)
		var refused *chat.Error
		stale := errors.As(err, &refused) && refused.Code == chat.CodeConflict // an attempt of ours moved on after we asked
		if err == nil || direct || (refused != nil && !stale && !refused.Code.Retryable()) {
			return false, err
		}
		reached, herr := s.reached(ctx, url)
		if herr != nil {
			return false, errors.Join(err, herr)
		}
		if reached < offset || reached > offset+n {
			return false, fmt.Errorf("the server has %d of %d bytes, which is not where it was: %w", reached, s.upload.Size, err)
		}
		if stale {
			refused.RetryAfter = max(refused.RetryAfter, firstPause)
		}
		further = reached-offset > done
		if done = reached - offset; done == n {
			return true, nil
		}
		return further, err
	})
}

// put sends the bytes from offset to end, which body holds.
func (s *sending) put(ctx context.Context, url string, body io.Reader, offset, end int64, direct bool) error {
	req, err := http.NewRequestWithContext(ctx, s.target.Method, s.rest.absolute(url), body)
	if err != nil {
		return err
	}
	req.ContentLength = end - offset
	req.Header.Set("Content-Type", s.upload.ContentType)
	for k, v := range s.target.Headers {
		req.Header.Set(k, v)
	}
	if !direct && end-offset < s.upload.Size {
		req.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, end-1, s.upload.Size))
	}
	res, err := s.rest.fetch(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxProblem)) // so that the connection is used again
	return res.Body.Close()
}

// reached asks how much of an upload the server has.
func (s *sending) reached(ctx context.Context, url string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, s.rest.absolute(url), nil)
	if err != nil {
		return 0, err
	}
	res, err := s.rest.fetch(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	return strconv.ParseInt(res.Header.Get("Upload-Offset"), 10, 64)
}

// insist calls try until it succeeds, fails for good, or patience passed since it last got further.
func insist(ctx context.Context, patience time.Duration, try func() (further bool, err error)) error {
	began, pause := time.Now(), firstPause
	for {
		further, err := try()
		if err == nil {
			return nil
		}
		var refused *chat.Error
		if ctx.Err() != nil || (errors.As(err, &refused) && !refused.Code.Retryable() && refused.RetryAfter == 0) {
			return err
		}
		if further {
			began, pause = time.Now(), firstPause
		}
		wait := pause/2 + rand.N(pause/2)
		if refused != nil {
			wait = max(wait, refused.RetryAfter)
		}
		if time.Since(began)+wait > patience {
			return err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return errors.Join(ctx.Err(), err)
		}
		pause = min(2*pause, lastPause)
	}
}

// OpenMedia reads a blob from an offset on; the caller closes it. FORBIDDEN for who isn't a member.
func (r *REST) OpenMedia(ctx context.Context, id chat.MediaID, offset int64) (io.ReadCloser, error) {
	res, err := r.open(ctx, r.base+protocol.MediaPath(id), offset)
	if err == nil && res.StatusCode == http.StatusFound {
		var to string
		if u, lerr := res.Location(); lerr == nil {
			to = u.String()
		}
		_ = res.Body.Close()
		res, err = r.open(ctx, to, offset)
	}
	if err != nil {
		return nil, fmt.Errorf("open media: %w", err)
	}
	if res.StatusCode >= 300 || (offset > 0 && res.StatusCode != http.StatusPartialContent) {
		_ = res.Body.Close()
		return nil, fmt.Errorf("open media: the server ignored the range (status %d)", res.StatusCode)
	}
	return res.Body, nil
}

// open asks for a blob and follows nothing: where we are sent the token must not go along, not even to another port or
// subdomain, as net/http would have it.
func (r *REST) open(ctx context.Context, url string, offset int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	c, hc := *r, *r.http
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &hc
	return c.fetch(req)
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
