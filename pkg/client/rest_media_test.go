package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

// TestElsewhere: blobs that lie elsewhere are sent and fetched there without the token, though it is the same host, from a
// body that can be read only once too, and what fails there for a while is sent again.
func TestElsewhere(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB
	stored := make([]byte, len(data))
	var tries atomic.Int32
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token went elsewhere")
		}
		if r.Method == http.MethodGet {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(stored))
			return
		}
		var offset, size int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d/%d", &offset, &size); err != nil || r.ContentLength != int64(size) || r.Header.Get("Content-Range") != "" {
			t.Errorf("%s: %d bytes, %v", r.URL.Path, r.ContentLength, err)
		}
		if _, err := io.ReadFull(r.Body, stored[offset:offset+size]); err != nil {
			t.Error(err)
		}
		if offset > 0 && tries.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer far.Close()
	id := chat.NewMediaID(time.Now())
	near := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%s without the token", r.URL.Path)
		}
		switch {
		case r.URL.Path == "/api/v1/media":
			parts := []map[string]any{}
			for _, p := range [][2]int{{0, 7 << 20}, {7 << 20, 9 << 20}} {
				parts = append(parts, map[string]any{"url": fmt.Sprintf("%s/%d/%d", far.URL, p[0], p[1]), "offset": p[0], "size": p[1]})
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"id": id, "upload": map[string]any{"url": "/api/v1/media/x/upload", "method": "PUT", "parts": parts}})
		case strings.HasSuffix(r.URL.Path, "/complete"):
			_ = json.NewEncoder(w).Encode(map[string]any{"id": id, "size": len(data), "contentType": "a/b"})
		default:
			http.Redirect(w, r, far.URL+"/get", http.StatusFound)
		}
	}))
	defer near.Close()
	rest, err := NewREST(near.URL, "secret", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []io.Reader{bytes.NewReader(data), struct{ io.Reader }{bytes.NewReader(data)}} {
		clear(stored)
		tries.Store(0)
		// A part of 9 MiB is more than what is held for a body that can't be read again.
		_, err := rest.UploadMedia(context.Background(), Upload{ContentType: "a/b", Name: "x", Size: int64(len(data)), Conversation: chat.ConversationID{1}}, body)
		if _, again := body.(io.ReaderAt); !again {
			if err == nil || !strings.Contains(err.Error(), "io.ReaderAt") {
				t.Errorf("a body that can be read once: %v", err)
			}
			continue
		}
		if err != nil || !bytes.Equal(stored, data) || tries.Load() != 3 {
			t.Fatalf("%v, %d tries", err, tries.Load())
		}
		r, err := rest.OpenMedia(context.Background(), id, 1000)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, data[1000:]) {
			t.Error(len(got), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
