package localsession

import (
	"context"
	"slices"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/session"
)

// Follow implements session.Registry.
func (r *Registry) Follow(_ context.Context, g session.GatewayID, channel chat.ConversationID, on bool) error {
	r.followMu.Lock()
	defer r.followMu.Unlock()
	have := r.channels[channel]
	i := slices.Index(have, g)
	switch {
	case on && i < 0:
		r.channels[channel] = append(have, g)
	case !on && i >= 0 && len(have) == 1:
		delete(r.channels, channel)
	case !on && i >= 0:
		r.channels[channel] = slices.Delete(have, i, i+1)
	}
	return nil
}

// Followers implements session.Registry.
func (r *Registry) Followers(_ context.Context, self session.GatewayID, channel chat.ConversationID) ([]session.GatewayID, error) {
	r.followMu.RLock()
	defer r.followMu.RUnlock()
	var out []session.GatewayID
	for _, g := range r.channels[channel] {
		if g != self {
			out = append(out, g)
		}
	}
	return out, nil
}
