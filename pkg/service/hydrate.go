package service

import (
	"context"

	"github.com/murre-chat/murre/pkg/chat"
)

// watermarkRows is how many watermarks of one conversation are read at most: those of a full group and of many who left.
const watermarkRows = 4 * chat.MaxGroupMembers

// hydrate fills what a message row doesn't hold: media, and for the caller's own messages the status. A deleted message
// loses everything but its place. Media and watermarks are read once a call and conversation; messages of conversations
// that the caller isn't in any more get no status.
func (s *Service) hydrate(ctx context.Context, c Caller, msgs []chat.Message) error {
	var media []chat.MediaID
	for i := range msgs {
		m := &msgs[i]
		if m.Deleted {
			m.Content, m.MediaID, m.Media, m.Reactions = "", chat.MediaID{}, nil, nil
		}
		if !m.MediaID.IsZero() && m.Media == nil {
			media = append(media, m.MediaID)
		}
	}
	if len(media) > 0 {
		if err := s.hydrateMedia(ctx, msgs, media); err != nil {
			return err
		}
	}
	return s.hydrateStatus(ctx, c, msgs)
}

func (s *Service) hydrateMedia(ctx context.Context, msgs []chat.Message, ids []chat.MediaID) error {
	found := make(map[chat.MediaID]*chat.Media, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), 500)
		rows, err := s.store.Media.Batch(ctx, ids[:n])
		if err != nil {
			return chat.Unavailable("read media", err)
		}
		for i := range rows {
			found[rows[i].ID] = &rows[i]
		}
		ids = ids[n:]
	}
	for i := range msgs {
		if msgs[i].Media == nil && !msgs[i].MediaID.IsZero() {
			msgs[i].Media = found[msgs[i].MediaID]
		}
	}
	return nil
}

func (s *Service) hydrateStatus(ctx context.Context, c Caller, msgs []chat.Message) error {
	var known map[chat.ConversationID][]interval
	for i := range msgs {
		m := &msgs[i]
		if m.Sender != c.User {
			m.Status = 0
			continue
		}
		of, ok := known[m.Conversation]
		if !ok {
			var err error
			if of, err = s.marks(ctx, c.User, m.Conversation); err != nil {
				return err
			}
			if known == nil {
				known = make(map[chat.ConversationID][]interval)
			}
			known[m.Conversation] = of
		}
		m.Status = lowest(of, m.ID)
	}
	return nil
}

// interval is another member of a conversation with what they received and read.
type interval struct {
	member chat.Member
	mark   chat.Receipt
}

// marks returns the active members of a conversation, but one, with their watermarks; none for a channel.
func (s *Service) marks(ctx context.Context, but chat.UserID, conv chat.ConversationID) ([]interval, error) {
	m, err := s.membership(ctx, conv)
	if err != nil {
		return nil, chat.Unavailable("read a membership", err)
	}
	if me, ok := m.Find(but); m.Conversation.Kind == chat.Channel || !ok || !me.Active() {
		return nil, nil
	}
	out := make([]interval, 0, len(m.Members))
	for _, mem := range m.Members {
		if mem.User != but && mem.Active() {
			out = append(out, interval{member: mem, mark: chat.Receipt{User: mem.User}})
		}
	}
	if len(out) == 1 {
		if out[0].mark, err = s.store.Watermarks.Get(ctx, conv, out[0].member.User); err != nil {
			return nil, chat.Unavailable("read a watermark", err)
		}
		return out, nil
	}
	rows, err := s.store.Watermarks.List(ctx, conv, chat.UserID{}, watermarkRows)
	if err != nil {
		return nil, chat.Unavailable("read watermarks", err)
	}
	by := make(map[chat.UserID]chat.Receipt, len(rows))
	for _, r := range rows {
		by[r.User] = r
	}
	for i := range out {
		if r, ok := by[out[i].member.User]; ok {
			out[i].mark = r
		}
	}
	return out, nil
}

// lowest is the status of a message: the lowest over the members whose interval holds it.
func lowest(of []interval, m chat.MessageID) chat.Status {
	status, any := chat.Read, false
	for i := range of {
		if !of[i].member.Holds(m) {
			continue
		}
		any = true
		switch {
		case m <= of[i].mark.ReadTo:
		case m <= of[i].mark.DeliveredTo:
			status = min(status, chat.Delivered)
		default:
			return chat.Sent
		}
	}
	if !any {
		return chat.Sent
	}
	return status
}
