package service

import (
	"context"

	"github.com/murre-chat/murre/pkg/chat"
)

// Membership returns the cached membership of a conversation. It is shared: never change it. store.ErrNotFound.
func (s *Service) Membership(ctx context.Context, conv chat.ConversationID) (*chat.Membership, error) {
	return s.membership(ctx, conv)
}

// Hydrate fills the media of messages that were read for a log. At most 500 messages.
func (s *Service) Hydrate(ctx context.Context, msgs []chat.Message) error {
	var ids []chat.MediaID
	for i := range msgs {
		if !msgs[i].MediaID.IsZero() {
			ids = append(ids, msgs[i].MediaID)
		}
	}
	return s.hydrateMedia(ctx, msgs, ids)
}
