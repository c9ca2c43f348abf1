package service

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// maxSearch is how many people one search finds at most.
const maxSearch = 50

// Block stops somebody from writing to the caller directly, from adding them to groups, and presence and typing between
// the two, within 5 s everywhere. At most 1,000 people may be blocked.
func (s *Service) Block(ctx context.Context, c Caller, user chat.UserID) error {
	if err := s.blockable(ctx, c, user); err != nil {
		return err
	}
	list, err := s.store.Blocks.List(ctx, c.User, maxBlocks+1)
	if err != nil {
		return chat.Unavailable("read blocks", err)
	}
	known := false
	for _, u := range list {
		known = known || u == user
	}
	if !known && len(list) >= maxBlocks {
		return &chat.Error{Code: chat.CodeConflict, Field: "userId", Message: "you have blocked the most people possible"}
	}
	return s.setBlock(ctx, c, user, true)
}

// Unblock takes a block back; there need not be one.
func (s *Service) Unblock(ctx context.Context, c Caller, user chat.UserID) error {
	if err := s.blockable(ctx, c, user); err != nil {
		return err
	}
	return s.setBlock(ctx, c, user, false)
}

func (s *Service) blockable(ctx context.Context, c Caller, user chat.UserID) error {
	if user.IsZero() {
		return chat.Invalid("userId", "is missing")
	}
	if user == c.User {
		return chat.Invalid("userId", "is your own")
	}
	if err := s.other(ctx, c); err != nil {
		return err
	}
	_, err := s.user(ctx, user)
	if errors.Is(err, store.ErrNotFound) {
		return chat.NotFound("no such user")
	}
	if err != nil {
		return chat.Unavailable("read a user", err)
	}
	return nil
}

func (s *Service) setBlock(ctx context.Context, c Caller, user chat.UserID, on bool) error {
	err := s.store.Blocks.Set(ctx, c.User, user, on, s.now().UnixMilli())
	if err == nil {
		err = s.store.Changes.Append(ctx, []store.ChangeEntry{{Kind: store.LogBlock, User: c.User, Other: user, Removed: !on}})
	}
	s.caches.blocks.drop(c.User) // also when the outcome is unknown
	if err != nil {
		return chat.Unavailable("store a block", err)
	}
	// The gateway that counts is that of the other, whose messages are refused from now on.
	s.router.Push(ctx, &chat.Push{
		Kind: chat.PushControl, Recipients: []chat.UserID{c.User, user}, Control: &chat.Control{Kind: chat.ControlBlock}, Event: chat.Event{Actor: c.User},
	})
	return nil
}

// Blocks returns whom the caller has blocked, by id.
func (s *Service) Blocks(ctx context.Context, c Caller) ([]chat.User, error) {
	if err := s.other(ctx, c); err != nil {
		return nil, err
	}
	ids, err := s.store.Blocks.List(ctx, c.User, maxBlocks)
	if err != nil {
		return nil, chat.Unavailable("read blocks", err)
	}
	users, err := s.users(ctx, ids)
	if err != nil {
		return nil, chat.Unavailable("read users", err)
	}
	out := make([]chat.User, 0, len(ids))
	for _, u := range ids {
		if row, ok := users[u]; ok {
			out = append(out, row)
		}
	}
	return out, nil
}

// UsersSearch returns people whose username or display name starts with a text, by username: at most limit (1..50, 0 = 20).
func (s *Service) UsersSearch(ctx context.Context, c Caller, query string, limit int) ([]chat.User, error) {
	if limit == 0 {
		limit = 20
	}
	if limit < 0 || limit > maxSearch {
		return nil, chat.Invalid("limit", "must be 1 to %d", maxSearch)
	}
	query = strings.TrimSpace(query)
	if query == "" || !utf8.ValidString(query) || utf8.RuneCountInString(query) > chat.MaxDisplayName {
		return nil, chat.Invalid("query", "must have 1 to %d characters", chat.MaxDisplayName)
	}
	if err := s.other(ctx, c); err != nil {
		return nil, err
	}
	rows, err := s.store.Users.Search(ctx, query, limit)
	if err != nil {
		return nil, chat.Unavailable("search users", err)
	}
	for i := range rows {
		rows[i] = public(rows[i])
	}
	return rows, nil
}

// User returns one person. When they were last seen is told to those who may see their presence.
func (s *Service) User(ctx context.Context, c Caller, user chat.UserID) (chat.User, error) {
	if user.IsZero() {
		return chat.User{}, chat.Invalid("userId", "is missing")
	}
	if err := s.other(ctx, c); err != nil {
		return chat.User{}, err
	}
	u, err := s.user(ctx, user)
	if errors.Is(err, store.ErrNotFound) {
		return chat.User{}, chat.NotFound("no such user")
	}
	if err != nil {
		return chat.User{}, chat.Unavailable("read a user", err)
	}
	states, err := s.states(ctx, c, []chat.UserID{user})
	if err != nil {
		return chat.User{}, err
	}
	if len(states) == 1 {
		u.LastSeen = states[0].LastSeen
	}
	return u, nil
}
