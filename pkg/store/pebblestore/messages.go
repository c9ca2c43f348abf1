package pebblestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	maxBatch = 500
	// maxReactions bounds the reactions that a history page fills in for one message.
	maxReactions = 256
)

// messages implements store.Messages.
type messages struct{ d *DB }

// Append commits a message. ErrConflict: its id was buried.
func (m messages) Append(ctx context.Context, a *store.Append) (chat.EventID, error) {
	o := ops.Get().(*op)
	o.isAppend = true
	o.recipients = append(o.recipients[:0], a.Recipients...)
	o.append = *a
	o.append.Recipients = o.recipients
	if err := m.d.send(ctx, "append", o); err != nil {
		return 0, err
	}
	event, err := o.event, o.err
	o.release()
	if err != nil {
		return 0, fmt.Errorf("pebblestore: append: %w", translate(err))
	}
	return event, nil
}

// appendMessage runs in the committer: row, claim, logs.
func (t *tx) appendMessage(a *store.Append) (chat.EventID, error) {
	msg := &a.Message
	write := !a.Rewrite
	if write && !t.e.ids.certain(msg.ID, t.e.clock.Last()) {
		var buf [25]byte
		v, err := t.get(messageKey(buf[:0], msg.Conversation, msg.ID))
		switch {
		case errors.Is(err, pebble.ErrNotFound):
		case err != nil:
			return 0, err
		default:
			_, buried, err := scanMessage(v, msg.Conversation, msg.ID)
			if err != nil {
				return 0, err
			}
			if buried {
				return 0, fmt.Errorf("%w: message id was buried", store.ErrConflict)
			}
			write = false // a retry: the row stays as it is, edited or deleted since perhaps
		}
	}
	event, err := t.nextEvent()
	if err != nil {
		return 0, err
	}
	t.written = true
	if write {
		d := t.batch.SetDeferred(1+16+8, messageLen(msg))
		messageKey(d.Key[:0], msg.Conversation, msg.ID)
		putMessage(d.Value[:0], msg)
		_ = d.Finish()
		t.e.ids.add(msg.ID)
	}
	if c := &a.Claim; !c.ClientMessage.IsZero() {
		d := t.batch.SetDeferred(1+4+16+16, claimLen)
		claimKey(d.Key[:0], windowOf(c.Message), c.User, c.ClientMessage)
		putClaim(d.Value[:0], c)
		_ = d.Finish()
	}
	ev := chat.Event{Kind: chat.EventMessage, Conversation: msg.Conversation, Message: msg.ID, Actor: msg.Sender}
	t.fanout(&ev, event, a.Recipients)
	return event, nil
}

// Message returns one row, without reactions.
func (m messages) Message(ctx context.Context, ref store.Ref) (out chat.Message, err error) {
	err = m.d.read(ctx, "message", func(v *view) error {
		b, closer, err := v.snap.Get(messageKey(make([]byte, 0, 25), ref.Conversation, ref.Message))
		if err != nil {
			return err
		}
		var buried bool
		out, buried, err = scanMessage(b, ref.Conversation, ref.Message)
		if err = errors.Join(err, closer.Close()); err == nil && buried {
			err = store.ErrNotFound
		}
		return err
	})
	return out, err
}

// Batch returns the rows that exist, without reactions.
func (m messages) Batch(ctx context.Context, refs []store.Ref) (out []chat.Message, err error) {
	if err := tooMany(len(refs)); err != nil {
		return nil, err
	}
	var buf [25]byte
	err = m.d.read(ctx, "messages", func(v *view) error {
		out = make([]chat.Message, 0, len(refs))
		return v.batch(len(refs), func(i int) []byte {
			return messageKey(buf[:0], refs[i].Conversation, refs[i].Message)
		}, func(i int, b []byte) error {
			msg, buried, err := scanMessage(b, refs[i].Conversation, refs[i].Message)
			if err == nil && !buried {
				out = append(out, msg)
			}
			return err
		})
	})
	return out, err
}

func tooMany(n int) error {
	if n > maxBatch {
		return fmt.Errorf("pebblestore: %d keys in one read, at most %d", n, maxBatch)
	}
	return nil
}

// History pages through a conversation.
func (m messages) History(ctx context.Context, h store.History) (out []chat.Message, err error) {
	limit := max(h.Limit, 1)
	upper := after(oneKey(tabMessage, h.Conversation))
	if h.Before > 0 {
		upper = messageKey(nil, h.Conversation, h.Before)
	}
	opts := &pebble.IterOptions{LowerBound: messageKey(nil, h.Conversation, max(h.After, 0)+1), UpperBound: upper}
	err = m.d.read(ctx, "history", func(v *view) (err error) {
		it, err := v.snap.NewIter(opts)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, it.Close()) }()
		first, next := it.First, it.Next
		if h.Newest {
			first, next = it.Last, it.Prev
		}
		out = make([]chat.Message, 0, min(limit, 100))
		for ok := first(); ok && len(out) < limit; ok = next() {
			b, err := it.ValueAndErr()
			if err != nil {
				return err
			}
			msg, buried, err := scanMessage(b, h.Conversation, lastID[chat.MessageID](it.Key()))
			if err != nil {
				return err
			}
			if !buried {
				out = append(out, msg)
			}
		}
		if err := it.Error(); err != nil || len(out) == 0 || h.Bare {
			return err
		}
		return v.fillReactions(h.Conversation, out, h.Newest)
	})
	return out, err
}

// lastID is the id that ends a key.
func lastID[T ~int64](key []byte) T {
	var n T
	for _, b := range key[len(key)-8:] {
		n = n<<8 | T(b)
	}
	return n
}

// fillReactions reads the reactions to a page of messages in one pass; both are in id order.
func (v *view) fillReactions(c chat.ConversationID, page []chat.Message, descending bool) (err error) {
	at := func(i int) *chat.Message {
		if descending {
			return &page[len(page)-1-i]
		}
		return &page[i]
	}
	from := messageKey(nil, c, at(0).ID)
	to := messageKey(nil, c, at(len(page)-1).ID+1)
	from[0], to[0] = tabReaction, tabReaction
	it, err := v.snap.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	i, rows := 0, 0
	for ok := it.First(); ok; {
		key := it.Key()
		msg := lastID[chat.MessageID](key[:25])
		for i < len(page) && at(i).ID < msg {
			i, rows = i+1, 0
		}
		if i == len(page) {
			break
		}
		m := at(i)
		if rows++; m.ID != msg || len(m.Reactions) == maxReactions || rows > 4*maxReactions {
			ok = it.SeekGE(reactionKey(nil, c, msg+1, chat.UserID{}))
			continue
		}
		b, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		r, err := scanReaction(b, chat.UserID(key[25:41]))
		if err != nil {
			return err
		}
		if r.Emoji != "" {
			m.Reactions = append(m.Reactions, r)
		}
		ok = it.Next()
	}
	return it.Error()
}

// Update edits or deletes. A deleted row keeps its MediaID, so that the blob can still be found and removed.
func (m messages) Update(ctx context.Context, u store.Update) (out chat.Message, event chat.EventID, err error) {
	recipients := append([]chat.UserID(nil), u.Fanout.Recipients...)
	var row chat.Message
	var ev chat.EventID
	err = m.d.write(ctx, "update message", func(t *tx) error {
		key := messageKey(nil, u.Conversation, u.Message)
		b, err := t.get(key)
		if err != nil {
			return translate(err)
		}
		msg, buried, err := scanMessage(b, u.Conversation, u.Message)
		if err != nil {
			return err
		}
		if buried {
			return store.ErrNotFound
		}
		change := false
		switch {
		case msg.Deleted:
		case u.Delete:
			msg.Deleted, msg.Content, change = true, "", true
		case u.Version > msg.Version:
			msg.Version, msg.Content, msg.EditedAt, change = u.Version, u.Content, u.At, true
		}
		if ev, err = t.nextEvent(); err != nil {
			return err
		}
		if change {
			t.set(key, putMessage(nil, &msg))
		}
		t.fanout(&u.Fanout.Event, ev, recipients)
		row = msg
		return nil
	})
	if err != nil {
		return chat.Message{}, 0, err
	}
	return row, ev, nil
}

// React sets or removes a reaction; a removed one leaves a row that keeps older writes from bringing it back.
func (m messages) React(ctx context.Context, r store.React) (chat.EventID, error) {
	recipients := append([]chat.UserID(nil), r.Fanout.Recipients...)
	var ev chat.EventID
	err := m.d.write(ctx, "react", func(t *tx) error {
		key := reactionKey(nil, r.Conversation, r.Message, r.Reaction.User)
		var have chat.Reaction
		b, err := t.get(key)
		if err == nil {
			have, err = scanReaction(b, r.Reaction.User)
		}
		if err != nil && !errors.Is(err, pebble.ErrNotFound) {
			return err
		}
		if ev, err = t.nextEvent(); err != nil {
			return err
		}
		if r.Reaction.At > have.At {
			t.set(key, putReaction(r.Reaction))
		}
		t.fanout(&r.Fanout.Event, ev, recipients)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return ev, nil
}

// Bury makes a message id unusable: a later Append of it is refused with ErrConflict.
func (m messages) Bury(ctx context.Context, ref store.Ref) error {
	return m.d.write(ctx, "bury", func(t *tx) error {
		t.set(messageKey(nil, ref.Conversation, ref.Message), buriedMessage())
		t.e.ids.add(ref.Message)
		return nil
	})
}

// expired reports whether a row made at an id's time has outlived its days.
func (d *DB) expired(made id.ID, days int64) bool {
	return made.UnixMillis() < d.o.Now().UnixMilli()-days*dayMillis
}
