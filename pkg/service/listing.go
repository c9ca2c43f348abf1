package service

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// maxListed is how many conversations of one user are listed; more are left out, the largest ids first to go. Those
	// that were left are looked through too: as many again.
	maxListed = 20_000
	listPage  = 500
)

// ConversationPage is a part of a user's list, newest first.
type ConversationPage struct {
	Items []ConversationView
	Next  string // the cursor of the next page, "" at the end
}

// place is where a conversation stands in a list.
type place struct {
	last  chat.MessageID
	entry store.ListedConversation
}

// before orders places newest first.
func (p place) before(o place) int {
	if n := cmp.Compare(o.last, p.last); n != 0 {
		return n
	}
	return o.entry.Conversation.Compare(p.entry.Conversation)
}

// Conversations returns the caller's conversations, newest first, after a cursor ("" = from the start): at most limit
// (1..100, 0 = 50). A page names no conversation twice; one that gets a message between two pages moves up and is
// missed by the later one, its message comes live. Up to 20,000 conversations are sorted a call.
func (s *Service) Conversations(ctx context.Context, c Caller, cursor string, limit int) (ConversationPage, error) {
	if limit == 0 {
		limit = chat.DefaultHistory
	}
	if limit < 0 || limit > chat.MaxHistory {
		return ConversationPage{}, chat.Invalid("limit", "must be 1 to %d", chat.MaxHistory)
	}
	from, err := parseCursor(cursor)
	if err != nil {
		return ConversationPage{}, err
	}
	if err := s.other(ctx, c); err != nil {
		return ConversationPage{}, err
	}
	places, err := s.places(ctx, c.User)
	if err != nil {
		return ConversationPage{}, err
	}
	slices.SortFunc(places, place.before)
	if cursor != "" {
		at, found := slices.BinarySearchFunc(places, from, place.before)
		if found {
			at++
		}
		places = places[at:]
	}
	page := ConversationPage{Items: make([]ConversationView, 0, min(limit, len(places)))}
	for i, p := range places {
		if len(page.Items) == limit {
			page.Next = formatCursor(places[i-1])
			break
		}
		v, err := s.listed(ctx, c, p)
		if chat.CodeOf(err) == chat.CodeForbidden && err != nil {
			continue // left a moment ago
		}
		if err != nil {
			return ConversationPage{}, err
		}
		page.Items = append(page.Items, v)
	}
	return page, s.hydrateViews(ctx, c, page.Items)
}

// listed makes the view of a place, and repairs the place's head if it was lost.
func (s *Service) listed(ctx context.Context, c Caller, p place) (ConversationView, error) {
	m, me, err := s.member(ctx, c.User, p.entry.Conversation)
	if err != nil {
		return ConversationView{}, err
	}
	v := ConversationView{
		Conversation: m.Conversation, Muted: p.entry.Muted, Archived: p.entry.Archived,
		UpdatedAt: p.last.Time().UnixMilli(),
	}
	if err := s.fillView(ctx, c, &v, m, me); err != nil {
		return ConversationView{}, err
	}
	if v.LastMessage != nil && v.LastMessage.ID > p.last {
		s.touchHead(v.LastMessage)
	}
	return v, nil
}

// places returns the conversations that stand in a user's list, unsorted.
func (s *Service) places(ctx context.Context, user chat.UserID) ([]place, error) {
	var out []place
	after := chat.ConversationID{}
	for seen := 0; len(out) < maxListed && seen < 2*maxListed; seen += listPage {
		entries, err := s.store.Listing.Conversations(ctx, user, after, listPage)
		if err != nil {
			return nil, chat.Unavailable("read a list of conversations", err)
		}
		if len(entries) == 0 {
			break
		}
		after = entries[len(entries)-1].Conversation
		if out, err = s.place(ctx, out, entries); err != nil {
			return nil, err
		}
		if len(entries) < listPage {
			break
		}
	}
	return out, nil
}

func (s *Service) place(ctx context.Context, out []place, entries []store.ListedConversation) ([]place, error) {
	ids := make([]chat.ConversationID, 0, len(entries))
	for i := range entries {
		if entries[i].Listed {
			ids = append(ids, entries[i].Conversation)
		}
	}
	heads, err := s.store.Listing.Heads(ctx, ids)
	if err != nil {
		return nil, chat.Unavailable("read heads of conversations", err)
	}
	for i := range entries {
		e := &entries[i]
		if !e.Listed {
			continue
		}
		last := max(heads[e.Conversation].Last, s.heads.last(e.Conversation))
		if last == 0 {
			if last, err = s.lostHead(ctx, e); err != nil {
				return nil, err
			}
		}
		out = append(out, place{last: last, entry: *e})
	}
	return out, nil
}

// lostHead finds the newest message of a conversation without a head (it is written behind and may be lost in a
// crash), or when the conversation was made, and remembers it.
func (s *Service) lostHead(ctx context.Context, e *store.ListedConversation) (chat.MessageID, error) {
	rows, err := s.store.Messages.History(ctx, store.History{Conversation: e.Conversation, Kind: e.Kind, Newest: true, Limit: 1, Bare: true})
	if err != nil {
		return 0, chat.Unavailable("read the newest message", err)
	}
	head := store.Head{Conversation: e.Conversation}
	if len(rows) > 0 {
		head.Last, head.Sender = rows[0].ID, rows[0].Sender
	} else {
		m, err := s.membership(ctx, e.Conversation)
		if errors.Is(err, store.ErrNotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, chat.Unavailable("read a membership", err)
		}
		head.Last = chat.MessageID(id.AtMillis(m.Conversation.CreatedAt))
	}
	s.heads.touch(head)
	return head.Last, nil
}

func formatCursor(p place) string { return p.last.String() + p.entry.Conversation.String() }

func parseCursor(s string) (place, error) {
	var p place
	if s == "" {
		return p, nil
	}
	if len(s) != id.TextLen+36 {
		return p, chat.Invalid("cursor", "is malformed")
	}
	last, err := id.Parse(s[:id.TextLen])
	if err != nil {
		return p, chat.Invalid("cursor", "is malformed")
	}
	conv, err := chat.ParseConversationID(s[id.TextLen:])
	if err != nil {
		return p, chat.Invalid("cursor", "is malformed")
	}
	return place{last: chat.MessageID(last), entry: store.ListedConversation{Conversation: conv}}, nil
}

// SetPreferences sets whether the caller muted or archived a conversation; nil leaves one as it is.
func (s *Service) SetPreferences(ctx context.Context, c Caller, conv chat.ConversationID, muted, archived *bool) error {
	if err := s.other(ctx, c); err != nil {
		return err
	}
	m, _, err := s.member(ctx, c.User, conv)
	if err != nil {
		return err
	}
	entry, err := s.store.Listing.Listed(ctx, c.User, conv)
	if errors.Is(err, store.ErrNotFound) {
		entry, err = store.ListedConversation{Conversation: conv, Kind: m.Conversation.Kind, Listed: true}, nil
	}
	if err != nil {
		return chat.Unavailable("read a list entry", err)
	}
	if muted != nil {
		entry.Muted = *muted
	}
	if archived != nil {
		entry.Archived = *archived
	}
	if err := s.store.Listing.SetPreferences(ctx, c.User, entry); err != nil {
		return chat.Unavailable("store preferences", err)
	}
	return nil
}
