package service

import (
	"context"
	"errors"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// Edit replaces the text of the caller's own message; of two edits the later one wins. A deleted message stays deleted.
// It returns the message as it is now and the event that tells of it.
func (s *Service) Edit(ctx context.Context, c Caller, conv chat.ConversationID, msg chat.MessageID, content string) (chat.Message, chat.EventID, error) {
	if err := validTarget(conv, msg); err != nil {
		return chat.Message{}, 0, err
	}
	if err := validContent(content, true); err != nil {
		return chat.Message{}, 0, err
	}
	if err := s.other(ctx, c); err != nil {
		return chat.Message{}, 0, err
	}
	t, err := s.target(ctx, c, conv, msg)
	if err != nil {
		return chat.Message{}, 0, err
	}
	if t.row.Sender != c.User {
		return chat.Message{}, 0, chat.Forbidden("only its author may edit a message")
	}
	if t.row.Deleted {
		return chat.Message{}, 0, errDeleted()
	}
	if content == "" && t.row.MediaID.IsZero() {
		return chat.Message{}, 0, chat.Invalid("content", "is empty")
	}
	if err := s.mayReach(ctx, c, t.m); err != nil {
		return chat.Message{}, 0, err
	}
	return s.update(ctx, c, t, store.Update{Content: content}, chat.EventEdit, chat.PushEdit)
}

// Delete takes the content of a message away, for everybody and for ever: its author may, and an admin of a group or
// channel. Doing it again changes nothing but tells again.
func (s *Service) Delete(ctx context.Context, c Caller, conv chat.ConversationID, msg chat.MessageID) (chat.Message, chat.EventID, error) {
	if err := validTarget(conv, msg); err != nil {
		return chat.Message{}, 0, err
	}
	if err := s.other(ctx, c); err != nil {
		return chat.Message{}, 0, err
	}
	t, err := s.target(ctx, c, conv, msg)
	if err != nil {
		return chat.Message{}, 0, err
	}
	if t.row.Sender != c.User && (t.m.Conversation.Kind == chat.Direct || t.me.Role != chat.RoleAdmin) {
		return chat.Message{}, 0, chat.Forbidden("only its author or an admin may delete a message")
	}
	if !t.row.MediaID.IsZero() {
		// First: a message seen as deleted must not leave its media behind, whatever happens in between.
		if err := s.store.Media.Delete(ctx, t.row.MediaID); err != nil {
			return chat.Message{}, 0, chat.Unavailable("delete media", err)
		}
	}
	return s.update(ctx, c, t, store.Update{Delete: true}, chat.EventDelete, chat.PushDelete)
}

// React sets the caller's one reaction to a message, or takes it away ("").
func (s *Service) React(ctx context.Context, c Caller, conv chat.ConversationID, msg chat.MessageID, emoji string) (chat.Reaction, chat.EventID, error) {
	if err := validTarget(conv, msg); err != nil {
		return chat.Reaction{}, 0, err
	}
	if emoji != "" && !isEmoji(emoji) {
		return chat.Reaction{}, 0, chat.Invalid("emoji", "must be one emoji of at most %d bytes", chat.MaxEmoji)
	}
	if err := s.other(ctx, c); err != nil {
		return chat.Reaction{}, 0, err
	}
	t, err := s.target(ctx, c, conv, msg)
	if err != nil {
		return chat.Reaction{}, 0, err
	}
	if t.row.Deleted {
		return chat.Reaction{}, 0, errDeleted()
	}
	if err := s.mayReach(ctx, c, t.m); err != nil {
		return chat.Reaction{}, 0, err
	}
	at, err := s.clock.Next()
	if err != nil {
		return chat.Reaction{}, 0, chat.Unavailable("make an id", err)
	}
	r := chat.Reaction{User: c.User, Emoji: emoji, At: chat.MessageID(at)}
	f := t.fanout(c, chat.EventReaction)
	id, err := s.store.Messages.React(ctx, store.React{
		Conversation: conv, Kind: t.m.Conversation.Kind, Message: msg, Reaction: r, Fanout: f,
	})
	if err != nil {
		return chat.Reaction{}, 0, updateError(err)
	}
	s.router.Push(ctx, t.push(chat.PushReaction, f, id, &t.row, &r))
	return r, id, nil
}

func errDeleted() error { return chat.NotFound("the message was deleted") }

func updateError(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return chat.NotFound("no such message in this conversation")
	}
	return unavailable("change a message", err)
}

// target is a stored message that the caller may read, and who else may.
type target struct {
	m   *chat.Membership
	me  chat.Member
	row chat.Message
}

func (s *Service) target(ctx context.Context, c Caller, conv chat.ConversationID, msg chat.MessageID) (target, error) {
	t := target{}
	var err error
	if t.m, t.me, err = s.member(ctx, c.User, conv); err != nil {
		return t, err
	}
	none := chat.NotFound("no such message in this conversation")
	if !t.me.Holds(msg) {
		return t, none
	}
	t.row, err = s.store.Messages.Message(ctx, store.Ref{Conversation: conv, Kind: t.m.Conversation.Kind, Message: msg})
	if errors.Is(err, store.ErrNotFound) {
		return t, none
	}
	if err != nil {
		return t, chat.Unavailable("read a message", err)
	}
	s.merge(max(msg, t.row.Version))
	return t, nil
}

// fanout is an event about the target for the members whose interval holds it, the caller's own other devices among
// them; in a channel its own log.
func (t *target) fanout(c Caller, kind chat.EventKind) store.Fanout {
	f := store.Fanout{Event: chat.Event{Kind: kind, Conversation: t.m.Conversation.ID, Message: t.row.ID, Actor: c.User}}
	if t.m.Conversation.Kind == chat.Channel {
		f.Recipients = []chat.UserID{chat.ChannelLog(t.m.Conversation.ID)}
		return f
	}
	for _, mem := range t.m.Members {
		if mem.Active() && mem.Holds(t.row.ID) {
			f.Recipients = append(f.Recipients, mem.User)
		}
	}
	return f
}

// push shows the event live, on the asking connection too.
func (t *target) push(kind chat.PushKind, f store.Fanout, event chat.EventID, row *chat.Message, r *chat.Reaction) *chat.Push {
	p := &chat.Push{Kind: kind, Recipients: f.Recipients, Event: f.Event, Message: row, Reaction: r}
	p.Event.ID = event
	if t.m.Conversation.Kind == chat.Channel {
		p.Channel, p.Recipients = true, nil
	}
	return p
}

// update writes an edit or deletion, tells everybody, and returns the message as the caller sees it.
func (s *Service) update(ctx context.Context, c Caller, t target, u store.Update, event chat.EventKind, push chat.PushKind) (chat.Message, chat.EventID, error) {
	version, err := s.clock.Next()
	if err != nil {
		return chat.Message{}, 0, chat.Unavailable("make an id", err)
	}
	u.Conversation, u.Kind, u.Message = t.m.Conversation.ID, t.m.Conversation.Kind, t.row.ID
	u.Version, u.At = chat.MessageID(version), chat.MessageID(version).Time().UnixMilli()
	u.Fanout = t.fanout(c, event)
	row, id, err := s.store.Messages.Update(ctx, u)
	if err != nil {
		return chat.Message{}, 0, updateError(err)
	}
	if row.Deleted && !u.Delete {
		return chat.Message{}, 0, errDeleted() // deleted meanwhile; the event only says to look again
	}
	live := row
	s.router.Push(ctx, t.push(push, u.Fanout, id, &live, nil))
	if full, err := s.fetch(ctx, c, t.m, t.me, row.ID); err == nil {
		row = full // with media, reactions and status; the edit stands without them too
	}
	return row, id, nil
}

// mayReach refuses in a direct conversation whose other member has blocked the caller.
func (s *Service) mayReach(ctx context.Context, c Caller, m *chat.Membership) error {
	if m.Conversation.Kind != chat.Direct {
		return nil
	}
	for _, o := range m.Members {
		if o.User == c.User {
			continue
		}
		blocked, err := s.blocked(ctx, o.User, c.User)
		if err != nil {
			return chat.Unavailable("read blocks", err)
		}
		if blocked {
			return chat.Forbidden("you can't write to this person")
		}
	}
	return nil
}
