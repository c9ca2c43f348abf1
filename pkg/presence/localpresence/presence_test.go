package localpresence

import (
	"log/slog"
	"testing"

	"github.com/murre-chat/murre/pkg/presence/presencetest"
	"github.com/murre-chat/murre/pkg/store"
)

func TestSuite(t *testing.T) {
	presencetest.Run(t, func(_ *testing.T, users store.Users) presencetest.Engine {
		p := New(Options{Users: users, Log: slog.New(slog.DiscardHandler)})
		return presencetest.Engine{Presence: p, Connect: p.Connected, Disconnect: p.Disconnected}
	})
}
