package inbox

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// page is a stretch of a stream that was read: what of it must be shown, and how far the read reaches.
type page struct {
	items  []chat.Push
	readTo chat.EventID
	proof  chat.MessageID
	more   bool
	next   chat.EventID // the last event of the page, under the horizon or not
	// withdrawn as it was when the read began.
	withdrawn uint32
}

// read reads a stream and returns at most limit events that the device hasn't: from where it was last read to, or, where
// the log's horizon trails and a page before reached beyond it, from behind that page.
func (d *Device) read(ctx context.Context, s *stream, from chat.EventID, limit int) (page, error) {
	p := page{proof: d.log.o.Conversations.MessageHorizon()}
	d.mu.Lock()
	ahead := from > s.readTo // what lies between is unread under the horizon: nothing is proved by this page
	from = max(from, s.readTo)
	readTo := s.readTo
	skip := s.known()
	p.withdrawn = d.withdrawn
	d.mu.Unlock()
	p.readTo, p.next = readTo, from
	n := limit + min(skip, pageSlack)
	log := d.user
	var follower *chat.Member
	if !s.conv.IsZero() {
		log = chat.ChannelLog(s.conv)
		me, err := d.log.o.Store.Members.Member(ctx, s.conv, d.user)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return p, fmt.Errorf("read a channel's member: %w", err)
		}
		follower = &me
	}
	lp, err := d.log.o.Store.Inbox.Read(ctx, log, from, min(n, 1000))
	if err != nil {
		return p, fmt.Errorf("read the log: %w", err)
	}
	events, horizon := lp.Events, lp.Horizon
	p.more = lp.More
	var want []chat.Event
	d.mu.Lock()
	end := len(events)
	for i, e := range events {
		if j, ok := s.isAcked(e.ID); ok {
			if e.Kind == chat.EventMessage {
				s.w.acked[j].message, s.w.acked[j].conv = e.Message, e.Conversation
			}
			continue
		}
		if s.inFlight(e.ID) {
			continue
		}
		if len(want) == limit {
			end, p.more = i, true
			break
		}
		want = append(want, e)
	}
	d.mu.Unlock()
	last := horizon
	if end > 0 {
		p.next = events[end-1].ID
		if p.more {
			last = min(horizon, p.next)
		}
	}
	items, stop, err := d.log.show(ctx, d.user, follower, want, horizon)
	if err != nil {
		return p, err
	}
	if stop != 0 { // an event whose message isn't visible yet
		last, p.more = min(last, stop-1), false
	}
	if last < horizon || ahead {
		p.proof = 0 // what lies between may belong to smaller message ids
	}
	p.items = items
	if !ahead {
		p.readTo = max(from, last)
	}
	return p, nil
}

// show turns events into what a user may see of them; those they may not, and those that show nothing any more, are left
// out. When a message row is missing that may still appear, stop is the id of its event, and nothing from there on is shown.
// follower is the user's row in the channel whose log this is, nil for the user's own log.
func (l *Log) show(ctx context.Context, user chat.UserID, follower *chat.Member, events []chat.Event, horizon chat.EventID) (items []chat.Push, stop chat.EventID, err error) {
	if len(events) == 0 {
		return nil, 0, nil
	}
	members := make(map[chat.ConversationID]*chat.Membership)
	rows, err := l.rows(ctx, events, members)
	if err != nil {
		return nil, 0, err
	}
	items = make([]chat.Push, 0, len(events))
	for _, e := range events {
		m := members[e.Conversation]
		me, ok := m.Find(user)
		if follower != nil {
			me, ok = *follower, true
		}
		if e.Kind == chat.EventConversation {
			if e.Subject != user && (!ok || !me.Active() || e.Message < me.JoinedID) {
				continue
			}
			items = append(items, changePush(m, e))
			continue
		}
		if !ok || !me.Active() || !me.Holds(e.Message) {
			continue
		}
		row := rows[e.Message]
		if row == nil {
			if e.ID > horizon {
				return items, e.ID, nil
			}
			continue // dead: its message was never acked
		}
		if p, ok := messagePush(e, row); ok {
			items = append(items, p)
		}
	}
	return items, 0, nil
}

// membershipsAtOnce is how many memberships of a page are read at a time: a page may be of as many conversations as events.
const membershipsAtOnce = 16

// memberships reads those of the events' conversations into members; of one that isn't there an empty one.
func (l *Log) memberships(ctx context.Context, events []chat.Event, members map[chat.ConversationID]*chat.Membership) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(membershipsAtOnce)
	for _, e := range events {
		if members[e.Conversation] != nil {
			continue
		}
		m := &chat.Membership{}
		members[e.Conversation] = m
		g.Go(func() error {
			found, err := l.o.Conversations.Membership(ctx, e.Conversation)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("read a membership: %w", err)
			}
			*m = *found
			return nil
		})
	}
	return g.Wait()
}

// rows reads the messages of events, and their conversations' memberships into members.
func (l *Log) rows(ctx context.Context, events []chat.Event, members map[chat.ConversationID]*chat.Membership) (map[chat.MessageID]*chat.Message, error) {
	if err := l.memberships(ctx, events, members); err != nil {
		return nil, err
	}
	rows := make(map[chat.MessageID]*chat.Message, len(events))
	refs := make([]store.Ref, 0, len(events))
	var reacted []store.Ref
	for _, e := range events {
		m := members[e.Conversation]
		if e.Kind == chat.EventConversation || m.Conversation.ID.IsZero() {
			continue
		}
		ref := store.Ref{Conversation: e.Conversation, Kind: m.Conversation.Kind, Message: e.Message}
		if _, ok := rows[e.Message]; !ok {
			rows[e.Message] = nil
			refs = append(refs, ref)
		}
		if e.Kind == chat.EventReaction {
			reacted = append(reacted, ref)
		}
	}
	var found []chat.Message
	for len(refs) > 0 {
		n := min(len(refs), 500)
		part, err := l.o.Store.Messages.Batch(ctx, refs[:n])
		if err != nil {
			return nil, fmt.Errorf("read messages: %w", err)
		}
		found, refs = append(found, part...), refs[n:]
	}
	if err := l.o.Conversations.Hydrate(ctx, found); err != nil {
		return nil, err
	}
	for i := range found {
		rows[found[i].ID] = &found[i]
	}
	for _, ref := range reacted {
		if rows[ref.Message] == nil {
			continue
		}
		one, err := l.o.Store.Messages.History(ctx, store.History{Conversation: ref.Conversation, Kind: ref.Kind, After: ref.Message - 1, Before: ref.Message + 1, Limit: 1})
		if err != nil {
			return nil, fmt.Errorf("read reactions: %w", err)
		}
		if len(one) == 1 {
			rows[ref.Message].Reactions = one[0].Reactions
		}
	}
	return rows, nil
}

func changePush(m *chat.Membership, e chat.Event) chat.Push {
	role := chat.Role(0)
	if mem, ok := m.Find(e.Subject); ok {
		role = mem.Role
	}
	return chat.Push{Kind: chat.PushConversation, Event: e, Conversation: &chat.ConversationChange{
		Conversation: m.Conversation, Change: e.Change, Subject: e.Subject, Role: role, At: e.ID.Time().UnixMilli(),
	}}
}

func messagePush(e chat.Event, row *chat.Message) (chat.Push, bool) {
	p := chat.Push{Event: e, Message: row}
	switch e.Kind {
	case chat.EventMessage:
		p.Kind = chat.PushMessage
	case chat.EventEdit:
		p.Kind = chat.PushEdit
		return p, !row.Deleted
	case chat.EventDelete:
		p.Kind = chat.PushDelete
	case chat.EventReaction:
		p.Kind = chat.PushReaction
		r := chat.Reaction{User: e.Actor}
		for _, x := range row.Reactions {
			if x.User == e.Actor {
				r = x
			}
		}
		p.Reaction = &r
		return p, !row.Deleted
	default:
		return p, false
	}
	return p, true
}
