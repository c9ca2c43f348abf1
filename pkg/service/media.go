package service

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	maxMediaName = 255
	maxMIME      = 127
	// maxMediaLook is how many messages are searched, at most, for one that shows old media to a newer member.
	maxMediaLook = 500
)

// MediaRequest asks to upload a blob, for one conversation or as an avatar.
type MediaRequest struct {
	Conversation chat.ConversationID // zero for an avatar
	Avatar       bool
	ContentType  string // MIME type
	Size         int64  // bytes
	Name         string // at most 255 code points, no path
}

// NewMedia describes a blob that is about to be uploaded. The size limit is the uploader's to check.
func (s *Service) NewMedia(ctx context.Context, c Caller, r MediaRequest) (chat.Media, error) {
	if err := r.validate(); err != nil {
		return chat.Media{}, err
	}
	if err := s.other(ctx, c); err != nil {
		return chat.Media{}, err
	}
	if !r.Avatar {
		m, _, err := s.member(ctx, c.User, r.Conversation)
		if err != nil {
			return chat.Media{}, err
		}
		if err := s.mayReach(ctx, c, m); err != nil {
			return chat.Media{}, err
		}
	}
	now := s.now()
	m := chat.Media{
		ID: chat.NewMediaID(now), Owner: c.User, Conversation: r.Conversation, Avatar: r.Avatar,
		ContentType: r.ContentType, Size: r.Size, Name: r.Name, CreatedAt: now.UnixMilli(),
	}
	if err := s.store.Media.Put(ctx, m); err != nil {
		return chat.Media{}, chat.Unavailable("store media", err)
	}
	return m, nil
}

func (r *MediaRequest) validate() error {
	if r.Avatar != r.Conversation.IsZero() {
		if r.Avatar {
			return chat.Invalid("conversationId", "an avatar belongs to no conversation")
		}
		return chat.Invalid("conversationId", "is missing")
	}
	kind, sub, ok := strings.Cut(r.ContentType, "/")
	if !ok || kind == "" || sub == "" || len(r.ContentType) > maxMIME || strings.ContainsFunc(r.ContentType, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return chat.Invalid("contentType", "is not a MIME type")
	}
	if r.Avatar && kind != "image" {
		return chat.Invalid("contentType", "an avatar is an image")
	}
	if r.Size <= 0 {
		return chat.Invalid("size", "must be positive")
	}
	if !utf8.ValidString(r.Name) || utf8.RuneCountInString(r.Name) > maxMediaName || strings.ContainsAny(r.Name, `/\`) ||
		strings.ContainsFunc(r.Name, unicode.IsControl) || r.Name == "." || r.Name == ".." {
		return chat.Invalid("name", "must be a file name of at most %d characters", maxMediaName)
	}
	return nil
}

// FinishMedia completes an upload of the caller's: size, hash and dimensions are what was received. What identifies the
// blob stays as it was; finishing twice changes nothing.
func (s *Service) FinishMedia(ctx context.Context, c Caller, got chat.Media) (chat.Media, error) {
	if err := s.other(ctx, c); err != nil {
		return chat.Media{}, err
	}
	m, err := s.media(ctx, got.ID)
	if err != nil {
		return chat.Media{}, err
	}
	if m.Owner != c.User {
		return chat.Media{}, noMedia()
	}
	if m.Ready {
		return m, nil
	}
	m.Size, m.SHA256, m.Width, m.Height, m.Thumb, m.Ready = got.Size, got.SHA256, got.Width, got.Height, got.Thumb, true
	if got.ContentType != "" {
		m.ContentType = got.ContentType
	}
	if err := s.store.Media.Put(ctx, m); err != nil {
		return chat.Media{}, chat.Unavailable("store media", err)
	}
	return m, nil
}

// MediaFor returns a blob's description when the caller may fetch it: an avatar everyone, an unfinished upload its
// owner, other media the members of its conversation, but no newer member what was only sent before they joined. It
// isn't counted against a rate limit: a page of pictures, or a video that somebody seeks in, takes more than a hundred.
func (s *Service) MediaFor(ctx context.Context, c Caller, id chat.MediaID) (chat.Media, error) {
	if id.IsZero() {
		return chat.Media{}, chat.Invalid("mediaId", "is missing")
	}
	m, err := s.media(ctx, id)
	if err != nil {
		return chat.Media{}, err
	}
	if !m.Ready && m.Owner != c.User {
		return chat.Media{}, noMedia()
	}
	if m.Avatar {
		return m, nil
	}
	of, me, err := s.member(ctx, c.User, m.Conversation)
	if err != nil {
		return chat.Media{}, err
	}
	if m.Owner == c.User || me.JoinedID == 0 || m.CreatedAt >= me.JoinedAt+ClockSlack.Milliseconds() {
		return m, nil
	}
	// Uploaded before the caller joined, as far as clocks tell: theirs only if it was sent after. That is soon after the
	// join, if at all.
	rows, err := s.store.Messages.History(ctx, store.History{
		Conversation: m.Conversation, Kind: of.Conversation.Kind, After: me.JoinedID, Limit: maxMediaLook,
	})
	if err != nil {
		return chat.Media{}, chat.Unavailable("read history", err)
	}
	for i := range rows {
		if rows[i].MediaID == id {
			return m, nil
		}
	}
	return chat.Media{}, noMedia()
}

func (s *Service) media(ctx context.Context, id chat.MediaID) (chat.Media, error) {
	rows, err := s.store.Media.Batch(ctx, []chat.MediaID{id})
	if err != nil {
		return chat.Media{}, chat.Unavailable("read media", err)
	}
	if len(rows) == 0 {
		return chat.Media{}, noMedia()
	}
	return rows[0], nil
}

func noMedia() error { return chat.NotFound("no such media") }
