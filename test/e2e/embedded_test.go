package e2e_test

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"github.com/murre-chat/murre/pkg/app"
	"github.com/murre-chat/murre/pkg/config"
	"github.com/murre-chat/murre/test/e2e"
)

// embedded is one process's server, in this one.
type embedded struct {
	cfg  *config.Config
	url  string
	stop func() error
}

func (e *embedded) URLs() []string { return []string{e.url} }

func (e *embedded) start(t *testing.T) {
	t.Helper()
	a, err := app.New(context.Background(), e.cfg, app.Info{Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	e.url = a.URL()
	e.stop = func() error {
		cancel()
		return <-done
	}
	// The same port after a restart.
	_, port, err := net.SplitHostPort(e.url[len("http://"):])
	if err != nil {
		t.Fatal(err)
	}
	e.cfg.Listen = net.JoinHostPort("127.0.0.1", port)
}

func (e *embedded) Restart(t *testing.T) {
	t.Helper()
	if err := e.stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
	e.start(t)
}

func open(transport string) func(t *testing.T) e2e.Harness {
	return func(t *testing.T) e2e.Harness {
		cfg := config.Default()
		cfg.Listen, cfg.Admin, cfg.Data, cfg.Transport = "127.0.0.1:0", "off", t.TempDir(), transport
		cfg.StoreCache, cfg.StoreMemory = 8<<20, 4<<20
		if err := cfg.Rates.Set("off"); err != nil {
			t.Fatal(err)
		}
		e := &embedded{cfg: cfg}
		e.start(t)
		t.Cleanup(func() {
			if err := e.stop(); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
		return e
	}
}

func TestEmbeddedEpoll(t *testing.T)     { e2e.Run(t, open("epoll")) }
func TestEmbeddedGoroutine(t *testing.T) { e2e.Run(t, open("goroutine")) }
