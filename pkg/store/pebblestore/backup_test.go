package pebblestore

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/murre-chat/murre/pkg/store"
)

func TestBackupWhileRunning(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(Options{Dir: filepath.Join(dir, "data"), MemTableBytes: 256 << 10, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	before := few(t, d)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var during []acked
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				during = append(during, few(t, d)...)
			}
		}
	})
	backup := filepath.Join(dir, "backup")
	if err := d.Checkpoint(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if err := d.Checkpoint(t.Context(), backup); !errors.Is(err, ErrNotEmpty) {
		t.Fatal(err)
	}
	close(stop)
	wg.Wait()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), backup, filepath.Join(dir, "data")); !errors.Is(err, ErrNotEmpty) {
		t.Fatalf("restore over data: %v", err)
	}
	restored := filepath.Join(dir, "restored")
	if err := Restore(t.Context(), backup, restored); err != nil {
		t.Fatal(err)
	}
	if d, err = Open(Options{Dir: restored, Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	checkAcked(t, d, before)
	// Of what was sent during the backup a beginning is there, and nothing after the first that is missing.
	missing := false
	for _, a := range during {
		_, err := d.Ports().Messages.Message(t.Context(), store.Ref{Conversation: a.message.Conversation, Message: a.message.ID})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		if missing && err == nil {
			t.Fatal("the backup has a hole")
		}
		missing = err != nil
	}
	few(t, d)
}

func TestRestoreRefusesBrokenBackups(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(Options{Dir: filepath.Join(dir, "data"), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	few(t, d)
	backup := filepath.Join(dir, "backup")
	if err := errors.Join(d.Checkpoint(t.Context(), backup), d.Close()); err != nil {
		t.Fatal(err)
	}
	format := filepath.Join(backup, formatFile)
	if err := os.WriteFile(format, []byte("2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var newer *FormatError
	if err := Restore(t.Context(), backup, filepath.Join(dir, "a")); !errors.As(err, &newer) {
		t.Fatalf("newer format: %v", err)
	}
	if err := os.Remove(format); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), backup, filepath.Join(dir, "b")); err == nil {
		t.Fatal("an incomplete backup was restored")
	}
}

func TestOpenRefusesNewerFormat(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(Options{Dir: dir, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, formatFile), []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var newer *FormatError
	if _, err := Open(Options{Dir: dir, Logger: quiet}); !errors.As(err, &newer) {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir, Logger: quiet}); errors.Is(err, ErrInUse) {
		t.Fatal("the refused folder stayed locked")
	}
}
