package localpresence

import (
	"log/slog"
	"time"

	"github.com/murre-chat/murre/pkg/presence"
	"github.com/murre-chat/murre/pkg/presence/roster"
	"github.com/murre-chat/murre/pkg/store"
)

// Options of a Presence.
type Options struct {
	Users store.Users // where last seen times are kept
	Log   *slog.Logger
	Now   func() time.Time // default time.Now
}

// Presence implements presence.Presence for one process.
type Presence struct{ *roster.Roster }

var _ presence.Presence = (*Presence)(nil)

// New makes a Presence.
func New(o Options) *Presence {
	return &Presence{roster.New(roster.Options{Users: o.Users, Interests: roster.NewMemory(o.Now), Log: o.Log, Now: o.Now})}
}
