package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/murre-chat/murre/pkg/observe"
	"github.com/murre-chat/murre/pkg/operate"
)

// admin is the operators' port: metrics, health and profiles for whoever reaches it, commands for who has the key.
type admin struct {
	listener net.Listener
	server   *http.Server
	key      string
}

func newAdmin(ctx context.Context, a *App) (*admin, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.cfg.Admin)
	if err != nil {
		return nil, bindError("admin", a.cfg.Admin, err)
	}
	key := operate.NewKey()
	mux := http.NewServeMux()
	metrics := observe.NewMetrics(a.info.Version)
	a.measure(metrics)
	mux.Handle("GET /metrics", metrics.Handler(a.log))
	mux.Handle("/debug/pprof/", observe.Profiles())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.Ready(r.Context()); err != nil {
			say(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		say(w, http.StatusOK, "ready")
	})
	mux.Handle("/operate/", operate.Handler(a.desk(), key, a.log))
	return &admin{
		listener: l, key: key,
		server: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)},
	}, nil
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// addr is where it listens; an address that means every interface is named by loopback.
func (ad *admin) addr() string {
	host, port, err := net.SplitHostPort(ad.listener.Addr().String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return ad.listener.Addr().String()
}

// Run serves until ctx ends.
func (ad *admin) Run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- ad.server.Serve(ad.listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("admin port: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := ad.server.Shutdown(stopping); err != nil {
		_ = ad.server.Close() // a profile being taken, say: cut off
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin port: %w", err)
	}
	return nil
}

// Close lets go of the port of an App that was not run.
func (ad *admin) Close() error { return ad.listener.Close() }
