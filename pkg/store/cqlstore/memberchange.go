package cqlstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// changeAttempts is how often a change is tried whose outcome stayed unknown, or that met another's outbox.
	changeAttempts = 12
	changePause    = 20 * time.Millisecond
	// maxFinishing bounds the outboxes that readers finish at once, finishTimeout each of them.
	maxFinishing  = 16
	finishTimeout = 3 * time.Second
	// clearTimeout bounds the emptying of an outbox when the caller has what it wants.
	clearTimeout = 3 * time.Second
	// directStamp is the timestamp of direct conversations: before everything else, so that what a list says later holds.
	directStamp = id.EpochMillis * 1000
)

var (
	casMembers = written(forMemberChange, "UPDATE members SET version = ?, outbox = ? WHERE conversation_id = ? IF version = ? AND outbox = ?",
		"version", "outbox", "conversation_id", "was", "was_outbox").conditional()
	setKind = written(forMemberChange, "UPDATE members SET kind = ?, name = ?, avatar = ?, created_by = ?, created_at = ? WHERE conversation_id = ?",
		"kind", "name", "avatar", "created_by", "created_at", "conversation_id").conditional()
	setName   = written(forMemberChange, "UPDATE members SET name = ? WHERE conversation_id = ?", "name", "conversation_id").conditional()
	setAvatar = written(forMemberChange, "UPDATE members SET avatar = ? WHERE conversation_id = ?", "avatar", "conversation_id").conditional()
	setMember = written(forMemberChange, "INSERT INTO members (conversation_id, user_id, role, joined_at, joined_id, left_id) VALUES (?, ?, ?, ?, ?, ?)",
		"conversation_id", "user_id", "role", "joined_at", "joined_id", "left_id").conditional()
	clearOutbox = written(forMemberChange, "UPDATE members SET outbox = ? WHERE conversation_id = ? IF outbox = ?",
		"outbox", "conversation_id", "was_outbox").conditional()
	putListed = written(forMemberChange, "UPDATE user_conversations USING TIMESTAMP ? SET kind = ?, listed = ? WHERE user_id = ? AND conversation_id = ?",
		"timestamp", "kind", "listed", "user_id", "conversation_id")
	newDirect = written(forMemberChange, "INSERT INTO members (conversation_id, user_id, version, kind, name, avatar, created_by, created_at, role, joined_at, joined_id, left_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
		"conversation_id", "user_id", "version", "kind", "name", "avatar", "created_by", "created_at", "role", "joined_at", "joined_id", "left_id", "timestamp")
)

// Change applies a conditional batch and then tells it: lists, change log, logs. What is to be told is in the batch itself, so
// a change that was made but not told is told by whoever meets it next.
func (s members) Change(ctx context.Context, m store.MemberChange) (int64, []chat.EventID, error) {
	box := &outbox{listed: m.Listed, unlisted: m.Unlisted, log: m.Log, fanouts: m.Fanout}
	if _, err := rand.Read(box.nonce[:]); err != nil {
		return 0, nil, fmt.Errorf("cqlstore: member_change: %w", err)
	}
	box.done = box.empty()
	mine, err := s.decide(ctx, &m, box)
	if err != nil {
		return 0, nil, err
	}
	events, err := s.d.deliver(ctx, m.Conversation, box)
	if err != nil {
		return 0, nil, err
	}
	if !box.done && mine != nil {
		s.d.clear(ctx, m.Conversation, box, mine)
	}
	return m.Version + 1, events, nil
}

// decide makes the change, or learns that it can't be made, and returns the outbox as written; nil when others have told it
// meanwhile. It finishes what earlier changes left untold first, so there is never more than one to be told.
func (s members) decide(ctx context.Context, m *store.MemberChange, box *outbox) ([]byte, error) {
	read := s.d.one
	var unknown error // of a compare-and-set whose outcome was not learnt
	for attempt := range changeAttempts {
		if err := takeTurns(ctx, attempt); err != nil {
			return nil, fmt.Errorf("cqlstore: member_change: %w: %w", store.ErrUnavailable, err)
		}
		have, err := s.d.conversation(ctx, read, m.Conversation)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			if unknown != nil && uncertain(err) {
				continue
			}
			return nil, err
		}
		before, err := decodeOutbox(have.outbox)
		if err != nil {
			return nil, err
		}
		switch {
		case unknown != nil && before.nonce == box.nonce:
			return have.outbox, nil // done by the attempt whose outcome was unknown
		case unknown != nil && before.made(box.nonce):
			return nil, nil // and told by those who came after
		case unknown != nil && have.version-m.Version > 1+int64(len(before.past)):
			return nil, unknown // it may have been done before what is remembered
		case have.version != m.Version:
			return nil, fmt.Errorf("cqlstore: member_change: %w: version is %d, not %d", store.ErrConflict, have.version, m.Version)
		case m.Version == 0 && m.Create == nil:
			return nil, fmt.Errorf("cqlstore: member_change: %w: no such conversation", store.ErrConflict)
		case !before.done:
			if err := s.d.finish(ctx, m.Conversation, before, have.outbox); err != nil && !uncertain(err) {
				return nil, err
			}
			continue
		}
		if box.kind = have.Kind; m.Create != nil {
			box.kind = m.Create.Kind
		}
		box.follow(before, s.d.stamp())
		mine := box.encode()
		applied, _, err := s.d.casBatch(ctx, forMemberChange, changeBatch(m, have.outbox, mine))
		switch {
		case err == nil && applied:
			return mine, nil
		case err != nil && !uncertain(err):
			return nil, err
		case err != nil:
			unknown, read = err, s.d.serial
		}
	}
	if unknown == nil {
		unknown = fmt.Errorf("cqlstore: member_change: %w: others came first %d times", store.ErrUnavailable, changeAttempts)
	}
	return nil, unknown
}

// takeTurns lets others have their turn before an attempt that isn't the first: up to changePause longer each time.
func takeTurns(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return nil
	}
	t := time.NewTimer(mathrand.N(time.Duration(attempt) * changePause))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// changeBatch is the batch of a change: of its statements only the first has a condition, which holds for all.
func changeBatch(m *store.MemberChange, was, mine []byte) []bound {
	c := uuid(m.Conversation)
	var version, before any
	if m.Version != 0 {
		version = m.Version
	}
	if len(was) > 0 {
		before = was
	}
	parts := make([]bound, 0, 4+len(m.Set))
	parts = append(parts, bound{casMembers, []any{m.Version + 1, mine, c, version, before}})
	name, avatar := m.Rename, m.Avatar
	if m.Version == 0 {
		n := *m.Create
		if name != nil {
			n.Name = *name
		}
		if avatar != nil {
			n.Avatar = *avatar
		}
		name, avatar = nil, nil
		parts = append(parts, bound{setKind, []any{n.Kind.String(), n.Name, uuid(n.Avatar), uuid(n.CreatedBy), n.CreatedAt, c}})
	}
	if name != nil {
		parts = append(parts, bound{setName, []any{*name, c}})
	}
	if avatar != nil {
		parts = append(parts, bound{setAvatar, []any{uuid(*avatar), c}})
	}
	for i := range m.Set {
		r := &m.Set[i]
		parts = append(parts, bound{setMember, []any{c, uuid(r.User), r.Role.String(), r.JoinedAt, int64(r.JoinedID), int64(r.LeftID)}})
	}
	return parts
}

// deliver tells a change: lists and change log first, as they are what ends access, then the events, each under the rule of
// D. It may be done again, by anyone: lists have the change's timestamp, the others are at least once.
func (d *DB) deliver(ctx context.Context, c chat.ConversationID, o *outbox) ([]chat.EventID, error) {
	if len(o.log) > 0 {
		if err := (changes{d}).Append(ctx, o.log); err != nil {
			return nil, err
		}
	}
	lists := len(o.listed) + len(o.unlisted)
	if err := d.each(ctx, lists, func(ctx context.Context, i int) error {
		if i < len(o.listed) {
			return d.exec(ctx, putListed, o.stamp, o.kind.String(), true, uuid(o.listed[i]), uuid(c))
		}
		return d.exec(ctx, putListed, o.stamp, o.kind.String(), false, uuid(o.unlisted[i-len(o.listed)]), uuid(c))
	}); err != nil {
		return nil, err
	}
	events := make([]chat.EventID, len(o.fanouts))
	for i := range o.fanouts {
		ev := o.fanouts[i].Event
		var err error
		if events[i], err = d.tell(ctx, &ev, o.fanouts[i].Recipients); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// clear leaves only the head of an outbox that was told. When that fails, the next who meets it tells it once more.
func (d *DB) clear(ctx context.Context, c chat.ConversationID, o *outbox, was []byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearTimeout)
	defer cancel()
	if _, _, err := d.cas(ctx, clearOutbox, o.told().encode(), uuid(c), was); err != nil && !errors.Is(err, store.ErrClosed) {
		d.o.Log.Warn("outbox of a membership change not cleared", slog.String("conversation", c.String()), slog.Any("err", err))
	}
}

// finish tells what somebody else's change left, and clears it.
func (d *DB) finish(ctx context.Context, c chat.ConversationID, o *outbox, was []byte) error {
	if _, err := d.deliver(ctx, c, o); err != nil {
		return err
	}
	applied, have, err := d.cas(ctx, clearOutbox, o.told().encode(), uuid(c), was)
	if err == nil && !applied {
		if now, ok := have["outbox"].([]byte); ok && bytes.Equal(now, was) {
			return fmt.Errorf("cqlstore: member_change: %w: outbox stays", store.ErrUnavailable)
		}
	}
	return err
}

// finishOld finishes an outbox that a reader met, when its maker has had its time and no other reader here is at it. It is
// bounded, and what it can't do is left to the next.
func (d *DB) finishOld(ctx context.Context, c chat.ConversationID, was []byte) {
	if alreadyTold(was) {
		return
	}
	o, err := decodeOutbox(was)
	if err != nil {
		d.o.Log.Error("outbox of a membership change", slog.String("conversation", c.String()), slog.Any("err", err))
		return
	}
	if o.done || d.now().UnixMicro()-o.stamp < d.o.Lag.Microseconds() || !d.claimFinish(c) {
		return
	}
	defer d.releaseFinish(c)
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	if err := d.finish(ctx, c, o, was); err != nil && !errors.Is(err, store.ErrClosed) {
		d.o.Log.Warn("membership change left untold", slog.String("conversation", c.String()), slog.Any("err", err))
		return
	}
	d.o.Log.Info("membership change told for its maker", slog.String("conversation", c.String()))
}

func (d *DB) claimFinish(c chat.ConversationID) bool {
	d.finishMu.Lock()
	defer d.finishMu.Unlock()
	if _, busy := d.finishing[c]; busy || len(d.finishing) >= maxFinishing {
		return false
	}
	d.finishing[c] = struct{}{}
	return true
}

func (d *DB) releaseFinish(c chat.ConversationID) {
	d.finishMu.Lock()
	defer d.finishMu.Unlock()
	delete(d.finishing, c)
}

// CreateDirect writes a direct conversation of two members unless it exists: all in one partition at once, then their lists.
// The timestamp is constant, so that of two who create it at once both write the same, and doing it again changes nothing.
func (s members) CreateDirect(ctx context.Context, c chat.Conversation, a, b chat.UserID) error {
	users := [2]chat.UserID{a, b}
	_, err := s.d.conversation(ctx, s.d.one, c.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		parts := make([]bound, len(users))
		for i, u := range users {
			parts[i] = bound{newDirect, []any{uuid(c.ID), uuid(u), int64(1), c.Kind.String(), c.Name, uuid(c.Avatar), uuid(c.CreatedBy), c.CreatedAt,
				chat.RoleMember.String(), c.CreatedAt, int64(0), int64(chat.NotLeft), int64(directStamp)}}
		}
		if err := s.d.batch(ctx, forMemberChange, parts); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	// Again even if the conversation is there: whoever made it may not have come so far.
	return s.d.each(ctx, len(users), func(ctx context.Context, i int) error {
		return s.d.exec(ctx, putListed, int64(directStamp), c.Kind.String(), true, uuid(users[i]), uuid(c.ID))
	})
}
