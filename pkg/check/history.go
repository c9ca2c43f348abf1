package check

import (
	"github.com/murre-chat/murre/pkg/chat"
)

// listing is one user's reading of a conversation's history, page by page, oldest first.
type listing struct {
	last    chat.MessageID
	ids     map[chat.MessageID]struct{} // of messages not settled
	keys    map[sendKey]chat.MessageID
	settled digest
}

func (c *Checker) row(e *Event) {
	v := c.conv(e.Conversation)
	c.report.Rows++
	l := v.listings[e.User]
	if l == nil {
		l = &listing{ids: map[chat.MessageID]struct{}{}, keys: map[sendKey]chat.MessageID{}}
		v.listings[e.User] = l
	}
	mem := v.members[e.User]
	if mem == nil {
		c.violate(WrongRecipient, e, nil, "listed by somebody who never was a member")
		return
	}
	m := c.find(v, e)
	switch {
	case e.Message == l.last:
		c.violate(Duplicate, e, m, "listed twice in a row")
		return
	case e.Message < l.last:
		c.violate(Disorder, e, m, "listed after %s, which has a larger id", l.last)
	default:
		l.last = e.Message
	}
	if e.ReplyTo != 0 && e.ReplyTo >= e.Message {
		c.violate(Disorder, e, m, "it answers %s but sorts before it", e.ReplyTo)
	}
	if at := v.removed[e.Message]; at != 0 && began(e) > at && !e.Deleted {
		c.violate(DeletedShown, e, m, "deleted, but history still shows its content")
	}
	if !e.Client.IsZero() {
		k := sendKey{e.Sender, e.Client}
		if other, twice := l.keys[k]; twice && other != e.Message {
			c.violate(Duplicate, e, m, "history holds it as %s too", other)
		}
		l.keys[k] = e.Message
	}
	if m == nil {
		// Settled long ago, or nobody's: the sum decides at the end of the listing.
		l.settled.add(e.Message)
		return
	}
	l.ids[e.Message] = struct{}{}
	if m.rejected {
		c.violate(RejectedStored, e, m, "rejected, but history holds it")
	}
	if m.sent && !mem.mayHold(m, c.o.Grace) {
		c.violate(WrongRecipient, e, m, "listed by somebody who wasn't a member when it was sent")
	}
	if m.acked && m.id != e.Message {
		if _, both := l.ids[m.id]; both {
			return // reported as Duplicate
		}
		c.violate(Duplicate, e, m, "acked as %s, history holds it as %s", m.id, e.Message)
	}
	c.content(m, e)
}

// rowsEnd compares a whole listing with what was acked before it began.
func (c *Checker) rowsEnd(e *Event) {
	v := c.conv(e.Conversation)
	l := v.listings[e.User]
	if l == nil {
		l = &listing{}
	}
	delete(v.listings, e.User)
	v.listed = true
	mem := v.members[e.User]
	if mem == nil {
		return
	}
	for _, m := range v.live {
		if !m.acked || m.ackedAt >= began(e) || !mem.surelyHolds(m) || m.lost {
			continue
		}
		if _, ok := l.ids[m.id]; !ok {
			m.lost = true
			c.violate(Lost, e, m, "acked to user %s at %d, but the history that user %s read doesn't hold it (%d devices received it)",
				m.key.sender, m.ackedAt, e.User, m.gotN)
		}
	}
	whole := len(mem.spans) == 1 && mem.spans[0].leaveAsked == 0
	if c.o.Open || !whole {
		return
	}
	switch {
	case l.settled.count < v.settled.count && !mem.late(v):
		c.violate(Lost, e, nil, "history holds %d of %d settled messages", l.settled.count, v.settled.count)
	case l.settled.count > v.settled.count:
		c.violate(Ghost, e, nil, "history holds %d messages that nobody sent", l.settled.count-v.settled.count)
	case l.settled.sum != v.settled.sum && l.settled.count == v.settled.count:
		c.violate(Lost, e, nil, "history holds as many messages as were settled (%d), but others", v.settled.count)
	}
}

// late: joined after the first member, so it doesn't see the whole history.
func (mem *member) late(v *conversation) bool {
	for _, o := range v.members {
		if len(o.spans) > 0 && o.spans[0].joinAsked < mem.spans[0].joinAsked {
			return true
		}
	}
	return false
}
