package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
	"github.com/murre-chat/murre/pkg/media/diskmedia"
	"github.com/murre-chat/murre/pkg/media/s3media"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

func TestCopyUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"--to is needed":         {"copy", "--no-media"},
		"--to":                   {"copy", "--to", "nonsense", "--no-media"},
		"only embedded":          {"copy", "--from", "cql", "--to", "cql://h/murre"},
		"say where media goes":   {"copy", "--to", "cql://h/murre"},
		"exclude each other":     {"copy", "--to", "cql://h/murre", "--s3", "http://k:s@h/b", "--media-to", "x"},
		"--s3":                   {"copy", "--to", "cql://h/murre", "--s3", "ftp://x"},
		"--workers must be 1 to": {"copy", "--to", "cql://h/murre", "--no-media", "--workers", "0"},
	} {
		code, _, errs := murre(t, "", args...)
		if code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%v: %d %q, want %q", args, code, errs, want)
		}
	}
	code, _, errs := murre(t, "", "copy", "--to", "cql://h/murre", "--no-media", "--data", t.TempDir())
	if code != exitFailure || !strings.Contains(errs, "no data folder") {
		t.Errorf("%d %q", code, errs)
	}
}

func TestIDSaysTheBuckets(t *testing.T) {
	_, text, _ := murre(t, "", "id", "382825031270400000")
	for _, want := range []string{"direct '2026-11-13 00:00:00+0000'", "group '2026-11-22 00:00:00+0000'", "channel '2026-11-22 09:00:00+0000'", "log day    '2026-11-22 00:00:00+0000'"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
}

// laptop makes a data folder with two people, a message and pictures.
func laptop(t *testing.T, data string) (pictures map[chat.MediaID][]byte) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	db, err := pebblestore.Open(pebblestore.Options{Dir: filepath.Join(data, "store"), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	p := db.Ports()
	disk, err := diskmedia.Open(diskmedia.Options{Dir: filepath.Join(data, "media"), MinFree: -1})
	require.NoError(t, err)
	a, b := chat.NewUserID(now), chat.NewUserID(now)
	for u, name := range map[chat.UserID]string{a: "alice", b: "bob"} {
		require.NoError(t, p.Users.Create(ctx, chat.User{ID: u, Username: name, DisplayName: name, CreatedAt: now.UnixMilli()}))
	}
	c := chat.Conversation{ID: chat.DirectID(a, b), Kind: chat.Direct, CreatedBy: a, CreatedAt: now.UnixMilli()}
	require.NoError(t, p.Members.CreateDirect(ctx, c, a, b))
	pictures = make(map[chat.MediaID][]byte)
	for i, size := range []int{1, 70_000, 9 << 20} {
		content := bytes.Repeat([]byte{byte(i), 'x', byte(i * 7)}, size/3+1)[:size]
		m := chat.Media{ID: chat.NewMediaID(now), Owner: a, Conversation: c.ID, ContentType: "application/octet-stream", Size: int64(size), Name: "f", SHA256: sha256.Sum256(content), Ready: true, Thumb: i == 1, CreatedAt: now.UnixMilli()}
		_, err := disk.Create(ctx, m.ID, m.Size, m.ContentType)
		require.NoError(t, err)
		_, err = disk.Write(ctx, m.ID, 0, m.Size, bytes.NewReader(content))
		require.NoError(t, err)
		_, err = disk.Complete(ctx, m.ID, m.Size)
		require.NoError(t, err)
		if m.Thumb {
			require.NoError(t, disk.PutThumb(ctx, m.ID, []byte("\x89PNG thumb")))
		}
		require.NoError(t, p.Media.Put(ctx, m))
		pictures[m.ID] = content
		next, err := db.Clock().Next()
		require.NoError(t, err)
		_, err = p.Messages.Append(ctx, &store.Append{Kind: chat.Direct, Recipients: []chat.UserID{b},
			Message: chat.Message{ID: chat.MessageID(next), Conversation: c.ID, Sender: a, ContentType: chat.File, MediaID: m.ID, Content: "look"}})
		require.NoError(t, err)
	}
	require.NoError(t, p.Media.Put(ctx, chat.Media{ID: chat.NewMediaID(now), Owner: a, Size: 10, CreatedAt: now.UnixMilli()})) // never came
	require.NoError(t, db.Close())
	return pictures
}

func contentOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	require.NoError(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			out[p] = "folder"
			return nil
		}
		text, err := os.ReadFile(p)
		out[p] = fmt.Sprintf("%x", sha256.Sum256(text))
		return err
	}))
	return out
}

func TestCopy(t *testing.T) {
	data := filepath.Join(t.TempDir(), "laptop")
	pictures := laptop(t, data)
	s3 := servers.S3(t)
	to := "cql://" + strings.Join(servers.CQL(t), ",") + "/" + servers.Unique("copycmd")
	bucket := strings.Replace(s3.URL, "://", "://"+s3.AccessKey+":"+s3.SecretKey+"@", 1) + "/" + strings.ReplaceAll(servers.Unique("copy"), "_", "-")
	code, out, errs := murre(t, "", "migrate", "--store", to, "--replication", "dc1=1")
	require.Zero(t, code, out+errs)

	db, err := pebblestore.Open(pebblestore.Options{Dir: filepath.Join(data, "store"), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	code, _, errs = murre(t, "", "copy", "--data", data, "--to", to, "--s3", bucket)
	require.Equal(t, exitFailure, code)
	require.Contains(t, errs, "a server runs on")
	require.NoError(t, db.Close())
	before := contentOf(t, data) // the store was opened

	code, out, errs = murre(t, "", "copy", "--data", data, "--to", to, "--s3", bucket)
	require.Zero(t, code, out+errs)
	require.Contains(t, out, "copied and read back")
	require.Contains(t, out, "media: 3 blobs (0 were there), 9.1 MiB, 1 thumbnails; 1 uploads were never completed")
	code, out, errs = murre(t, "", "copy", "--data", data, "--to", to, "--s3", bucket)
	require.Equal(t, exitFailure, code, out)
	require.Contains(t, errs, "--resume")
	code, out, errs = murre(t, "", "copy", "--data", data, "--to", to, "--s3", bucket, "--resume")
	require.Zero(t, code, out+errs)
	require.Contains(t, out, "(3 were there)")
	code, out, errs = murre(t, "", "copy", "--data", data, "--to", to, "--s3", bucket, "--verify-only")
	require.Zero(t, code, out+errs)
	require.True(t, maps.Equal(before, contentOf(t, data)), "the source was touched")

	o, err := s3media.Parse(bucket)
	require.NoError(t, err)
	blobs, err := s3media.Open(t.Context(), o)
	require.NoError(t, err)
	defer func() { require.NoError(t, blobs.Close()) }()
	for id, want := range pictures {
		sum, err := blobs.Complete(t.Context(), id, int64(len(want)))
		require.NoError(t, err)
		require.Equal(t, sha256.Sum256(want), sum)
	}

	// A blob that got lost in the target is told.
	for id := range pictures {
		require.NoError(t, blobs.Delete(t.Context(), id))
		break
	}
	code, _, errs = murre(t, "", "copy", "--data", data, "--to", to, "--s3", bucket, "--verify-only")
	require.Equal(t, exitFailure, code)
	require.Contains(t, errs, "doesn't have it")
	require.ErrorIs(t, func() error { _, err := blobs.Open(t.Context(), chat.MediaID{}, media.Original); return err }(), media.ErrNotFound)

	// A backup's folder is a source too, and nothing is made in it.
	backup := filepath.Join(t.TempDir(), "backup")
	code, out, errs = murre(t, "", "backup", backup, "--data", data)
	require.Zero(t, code, out+errs)
	before = contentOf(t, backup)
	code, out, errs = murre(t, "", "copy", "--data", backup, "--to", to, "--media-to", filepath.Join(t.TempDir(), "media"), "--merge")
	require.Zero(t, code, out+errs)
	require.True(t, maps.Equal(before, contentOf(t, backup)), "the backup was touched")
}
