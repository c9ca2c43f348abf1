package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPartsStopInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps := newParts(slog.New(slog.DiscardHandler))
		var mu sync.Mutex
		var ended []string
		for _, name := range []string{"store", "service", "gateway"} {
			ps.start(part{name, func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second) // flushing; an earlier part must wait for it
				mu.Lock()
				defer mu.Unlock()
				ended = append(ended, name)
				return ctx.Err()
			}})
		}
		if err := ps.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := []string{"gateway", "service", "store"}; !slices.Equal(ended, want) {
			t.Errorf("ended %v, want %v", ended, want)
		}
	})
}

func TestPartsReportFailureAndHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps := newParts(slog.New(slog.DiscardHandler))
		release := make(chan struct{})
		ps.start(part{"stuck", func(context.Context) error { <-release; return nil }})
		ps.start(part{"broken", func(context.Context) error { return errors.New("no disk") }})
		if err := <-ps.failed; err == nil || err.Error() != "broken: no disk" {
			t.Errorf("failed: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := ps.stop(ctx)
		if err == nil || !strings.Contains(err.Error(), "stuck did not stop in time") || !strings.Contains(err.Error(), "no disk") {
			t.Errorf("stop: %v", err)
		}
		close(release)
	})
}
