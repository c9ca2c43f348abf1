package service

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// freshKey is how old (or how far ahead) a v7 clientMessageId may be for its claim to be looked for in memory only.
const freshKey = time.Minute

// SendRequest is one message that a client asks to send.
type SendRequest struct {
	Conversation  chat.ConversationID
	ClientMessage chat.ClientMessageID
	Content       string // 1..MaxContent code points; may be empty only with Media
	ContentType   chat.ContentType
	Media         chat.MediaID
	ReplyTo       chat.MessageID
	Resend        bool // the client's retry of something it may have sent before
}

// SendResult is a stored message. When it is returned, the message is durable and in every recipient's log.
type SendResult struct {
	Message chat.Message
	Event   chat.EventID // in the sender's own log, or the channel's; 0 when the sender has no other device
	Channel bool         // posted to a channel: Event is in the channel's log
	// Duplicate: the message had been stored by an earlier attempt.
	Duplicate bool
}

// Send stores a message and shows it to its recipients. An error of code UNAVAILABLE or INTERNAL leaves it unknown
// whether the message was stored: the client sends it again with Resend and the same ClientMessage. Any other error
// means that nothing of it is stored.
func (s *Service) Send(ctx context.Context, c Caller, r SendRequest) (SendResult, error) {
	if err := validateSend(&r); err != nil {
		return SendResult{}, err
	}
	if err := s.gate.Enter(); err != nil {
		return SendResult{}, err
	}
	m, err := s.sendable(ctx, c, r.Conversation)
	if err != nil {
		return SendResult{}, err
	}
	msg := chat.Message{
		Conversation: r.Conversation, Sender: c.User, ClientMessageID: r.ClientMessage,
		ContentType: r.ContentType, Content: r.Content, MediaID: r.Media, ReplyTo: r.ReplyTo, Status: chat.Sent,
	}
	if err := s.checkReferences(ctx, c, m, &msg); err != nil {
		return SendResult{}, err
	}
	newID, err := s.inflight.next(s.clock)
	if err != nil {
		return SendResult{}, chat.Unavailable("make a message id", err)
	}
	defer s.inflight.done(newID)
	msg.ID = newID
	claim := store.Claim{User: c.User, ClientMessage: r.ClientMessage, Message: newID, Conversation: r.Conversation, Digest: digest(&msg)}
	renewed := chat.MessageID(0)
	d, err := s.admit.Admit(ctx, admit.Request{
		Claim: claim, Durable: r.Resend || !fresh(r.ClientMessage, s.now()), Resend: r.Resend, Since: c.Since,
		Renew: func() (chat.MessageID, error) {
			var err error
			if renewed == 0 {
				renewed, err = s.inflight.next(s.clock)
			}
			return renewed, err
		},
	})
	if renewed != 0 {
		defer s.inflight.done(renewed)
	}
	if err != nil {
		return SendResult{}, chat.Unavailable("admit a message", err)
	}
	if d.RetryAfter > 0 {
		return SendResult{}, rateLimited(d.Limit, d.RetryAfter)
	}
	if renewed != 0 { // it waited for longer than a removal takes to hold
		if m, err = s.sendable(ctx, c, r.Conversation); err != nil {
			s.admit.Done(d.Held)
			return SendResult{}, err
		}
	}
	if !d.Fresh {
		return s.sendAgain(ctx, c, m, msg, claim, d)
	}
	claim, msg.ID = d.Held, d.Held.Message
	defer s.admit.Done(claim)
	return s.commit(ctx, c, m, msg, claim, false)
}

// sendAgain answers a send whose claim was taken by an earlier attempt.
func (s *Service) sendAgain(ctx context.Context, c Caller, m *chat.Membership, msg chat.Message, claim store.Claim, d admit.Decision) (SendResult, error) {
	held := d.Held
	defer s.admit.Done(held)
	if held.Conversation != claim.Conversation || held.Digest != claim.Digest {
		return SendResult{}, chat.Invalid("clientMessageId", "was used before for another message")
	}
	if held.Message == claim.Message {
		return SendResult{}, chat.Unavailable("claim a message id", errors.New("the claim is held under the new id"))
	}
	// Asked before the row is looked for: an attempt that has ended by now has left its row.
	underWay := false
	if s.lag > 0 { // it may be another gateway's
		underWay = s.now().Sub(held.Message.Time()) < s.lag
	} else if underWay = s.inflight.join(held.Message); underWay {
		defer s.inflight.done(held.Message)
	}
	ref := store.Ref{Conversation: msg.Conversation, Kind: m.Conversation.Kind, Message: held.Message}
	stored, err := s.store.Messages.Message(ctx, ref)
	switch {
	case err == nil:
		s.merge(held.Message)
		stored.Status = chat.Sent
		if !stored.Deleted && stored.MediaID == msg.MediaID {
			stored.Media = msg.Media // the row holds its id alone, and whoever gets this again shows what hangs on it
		}
		return s.commit(ctx, c, m, stored, held, true)
	case !errors.Is(err, store.ErrNotFound):
		return SendResult{}, chat.Unavailable("look for an earlier attempt", err)
	}
	msg.ID = held.Message
	claim.Message = held.Message
	if !underWay { // else whichever attempt is first writes the row
		// The id must not appear now, above what people have read and below what cursors and delivery marks have passed:
		// bury it and take the new id instead.
		if err := s.store.Messages.Bury(ctx, ref); err != nil {
			return SendResult{}, chat.Unavailable("bury an unfinished attempt", err)
		}
		msg.ID, err = s.inflight.next(s.clock)
		if err != nil {
			return SendResult{}, chat.Unavailable("make a message id", err)
		}
		defer s.inflight.done(msg.ID)
		claim.Message = msg.ID
		if err := s.moveClaim(ctx, claim, held.Message); err != nil {
			return SendResult{}, err
		}
	}
	return s.commit(ctx, c, m, msg, claim, false)
}

// moveClaim binds a claim to the id that takes the place of a buried one. A claim of which there is no durable row yet (its
// first attempt got no further than Redis) is written.
func (s *Service) moveClaim(ctx context.Context, to store.Claim, from chat.MessageID) error {
	err := s.store.Claims.Move(ctx, to, from)
	if errors.Is(err, store.ErrConflict) {
		var held store.Claim
		if held, err = s.store.Claims.PutIfAbsent(ctx, to); err == nil && held.Message != to.Message {
			s.admit.Moved(ctx, held) // so that the next attempt begins with it
			err = errors.New("another attempt moved it")
		}
	}
	if err != nil {
		return chat.Unavailable("move a claim", err)
	}
	s.admit.Moved(ctx, to)
	return nil
}

// commit writes the message, or only its log rows again, and tells everybody.
func (s *Service) commit(ctx context.Context, c Caller, m *chat.Membership, msg chat.Message, claim store.Claim, rewrite bool) (SendResult, error) {
	kind := m.Conversation.Kind
	var recipients []chat.UserID
	own := false
	if kind == chat.Channel {
		recipients = []chat.UserID{chat.ChannelLog(msg.Conversation)}
	} else {
		recipients = make([]chat.UserID, 0, len(m.Members))
		for _, mem := range m.Members {
			if mem.User != c.User && mem.Active() && mem.Holds(msg.ID) {
				recipients = append(recipients, mem.User)
			}
		}
		var err error
		if own, err = s.hasOther(ctx, c); err != nil {
			return SendResult{}, chat.Unavailable("read the sender's devices", err)
		}
		if own {
			recipients = append(recipients, c.User)
		}
	}
	done, err := s.commitTurn(ctx, len(recipients))
	if err != nil {
		return SendResult{}, err
	}
	event, err := s.store.Messages.Append(ctx, &store.Append{Message: msg, Kind: kind, Claim: claim, Recipients: recipients, Rewrite: rewrite})
	done()
	if err != nil {
		return SendResult{}, chat.Unavailable("store a message", err)
	}
	if !rewrite && s.lag > 0 && s.now().Sub(msg.ID.Time()) > AckDeadline {
		// It took so long that readers may have passed the id. It can't be taken back: a resend on another gateway may have
		// acked it meanwhile. Sent again, it is told under a new event.
		return SendResult{}, chat.Unavailable("store a message", errors.New("took longer than its id stands for"))
	}

	if !rewrite {
		s.touchHead(&msg)
	}
	p := &chat.Push{
		Kind: chat.PushMessage, Recipients: recipients, ExceptDevice: c.Device, Message: &msg,
		Event: chat.Event{ID: event, Kind: chat.EventMessage, Conversation: msg.Conversation, Message: msg.ID, Actor: msg.Sender},
	}
	if kind == chat.Channel {
		p.Channel, p.Recipients = true, nil
	}
	s.router.Push(ctx, p)
	res := SendResult{Message: msg, Duplicate: rewrite, Channel: kind == chat.Channel}
	if own || res.Channel {
		res.Event = event
	}
	return res, nil
}

const (
	// commitPatience is how long a message waits for its turn to be stored.
	commitPatience = 2 * time.Second
	// rowsACommit is how many recipients count as another message.
	rowsACommit = 8
)

// commitTurn waits for a message's turn to be stored, and returns how to give it back.
func (s *Service) commitTurn(ctx context.Context, recipients int) (func(), error) {
	if s.commits == nil {
		return func() {}, nil
	}
	weight := min(int64(1+recipients/rowsACommit), s.capacity)
	if !s.commits.TryAcquire(weight) {
		waiting, cancel := context.WithTimeout(ctx, commitPatience)
		defer cancel()
		if err := s.commits.Acquire(waiting, weight); err != nil {
			return nil, chat.Unavailable("wait for the turn to store a message", err)
		}
	}
	return func() { s.commits.Release(weight) }, nil
}

// sendable returns the membership of a conversation that the caller may post to.
func (s *Service) sendable(ctx context.Context, c Caller, conv chat.ConversationID) (*chat.Membership, error) {
	m, me, err := s.member(ctx, c.User, conv)
	if err != nil {
		return nil, err
	}
	switch m.Conversation.Kind {
	case chat.Channel:
		if me.Role != chat.RoleAdmin {
			return nil, chat.Forbidden("only admins may post to a channel")
		}
	case chat.Direct:
		for _, o := range m.Members {
			if o.User == c.User {
				continue
			}
			blocked, err := s.blocked(ctx, o.User, c.User)
			if err != nil {
				return nil, chat.Unavailable("read blocks", err)
			}
			if blocked {
				return nil, chat.Forbidden("you can't write to this person")
			}
		}
	}
	return m, nil
}

// checkReferences checks what a message points to, merges the id it answers, and fills its media.
func (s *Service) checkReferences(ctx context.Context, c Caller, m *chat.Membership, msg *chat.Message) error {
	if msg.ReplyTo != 0 {
		me, _ := m.Find(c.User)
		ref := store.Ref{Conversation: msg.Conversation, Kind: m.Conversation.Kind, Message: msg.ReplyTo}
		_, err := s.store.Messages.Message(ctx, ref)
		if errors.Is(err, store.ErrNotFound) || (err == nil && m.Conversation.Kind != chat.Channel && !me.Holds(msg.ReplyTo)) {
			return chat.Invalid("replyToId", "no such message in this conversation")
		}
		if err != nil {
			return chat.Unavailable("read the message answered", err)
		}
		s.merge(msg.ReplyTo)
	}
	if msg.MediaID.IsZero() {
		return nil
	}
	found, err := s.store.Media.Batch(ctx, []chat.MediaID{msg.MediaID})
	if err != nil {
		return chat.Unavailable("read media", err)
	}
	if len(found) == 0 || found[0].Owner != c.User || found[0].Avatar || found[0].Conversation != msg.Conversation {
		return chat.Invalid("mediaId", "no such upload of yours for this conversation")
	}
	md := found[0]
	if !md.Ready {
		return chat.Invalid("mediaId", "the upload is not complete")
	}
	if want := mediaType(md.ContentType); msg.ContentType != chat.File && msg.ContentType != want {
		return chat.Invalid("contentType", "the upload is %s", md.ContentType)
	}
	msg.Media = &md
	return nil
}

func mediaType(mime string) chat.ContentType {
	switch {
	case strings.HasPrefix(mime, "image/"):
		return chat.Image
	case strings.HasPrefix(mime, "video/"):
		return chat.Video
	}
	return chat.File
}

func validateSend(r *SendRequest) error {
	if r.Conversation.IsZero() {
		return chat.Invalid("conversationId", "is missing")
	}
	if r.ClientMessage.IsZero() {
		return chat.Invalid("clientMessageId", "is missing")
	}
	if r.ContentType.String() == "" {
		return chat.Invalid("contentType", "must be text, image, video or file")
	}
	if r.ReplyTo < 0 {
		return chat.Invalid("replyToId", "is malformed")
	}
	if (r.ContentType == chat.Text) != r.Media.IsZero() {
		if r.Media.IsZero() {
			return chat.Invalid("mediaId", "is missing")
		}
		return chat.Invalid("contentType", "must be image, video or file with a mediaId")
	}
	return validContent(r.Content, !r.Media.IsZero())
}

// validContent checks the text of a message: valid UTF-8 of 1 to MaxContent code points (0 allowed beside media).
func validContent(s string, mayBeEmpty bool) error {
	if s == "" && !mayBeEmpty {
		return chat.Invalid("content", "is empty")
	}
	if !utf8.ValidString(s) {
		return chat.Invalid("content", "is not valid UTF-8")
	}
	if len(s) > chat.MaxContent && utf8.RuneCountInString(s) > chat.MaxContent {
		return chat.Invalid("content", "has more than %d characters", chat.MaxContent)
	}
	return nil
}

// digest identifies the payload of a message, so that one key is never used for two.
func digest(m *chat.Message) [16]byte {
	var head [42]byte
	head[0] = byte(m.ContentType)
	copy(head[1:17], m.MediaID[:])
	binary.BigEndian.PutUint64(head[17:25], uint64(m.ReplyTo))
	binary.BigEndian.PutUint64(head[25:33], uint64(len(m.Content)))
	var buf [512]byte
	sum := sha256.Sum256(append(append(buf[:0], head[:]...), m.Content...))
	return [16]byte(sum[:16])
}

func fresh(k chat.ClientMessageID, now time.Time) bool {
	at, ok := k.Time()
	return ok && now.Sub(at).Abs() < freshKey
}

func rateLimited(l admit.Limit, after time.Duration) error {
	return &chat.Error{Code: chat.CodeRateLimited, Message: fmt.Sprintf("too many (%s)", admit.Names[l]), RetryAfter: after}
}

// merge moves the clock past an id that was found in the store.
func (s *Service) merge(m chat.MessageID) {
	if err := s.clock.Merge(id.ID(m)); err != nil {
		s.log.Warn("an id of the store is ahead of the clock", "id", m.String(), "error", err)
	}
}
