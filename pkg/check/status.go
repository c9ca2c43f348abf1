package check

import "github.com/murre-chat/murre/pkg/chat"

// status checks a `message_status` push, or a message's own status as read over REST.
func (c *Checker) status(e *Event) {
	v := c.conv(e.Conversation)
	if e.Sampled {
		m := v.byID[e.Message]
		if m == nil {
			return
		}
		if e.Status < m.sampled {
			c.violate(StatusBack, e, m, "its status was %s and is now %s", m.sampled, e.Status)
		}
		m.sampled = max(m.sampled, e.Status)
		return
	}
	mem := v.members[e.Sender]
	if mem == nil {
		c.violate(WrongRecipient, e, nil, "%s by user %s, who never was a member", e.Status, e.Sender)
		return
	}
	c.claimed(e, mem, e.Status, e.Message)
}

// claimed checks that what a status says has happened.
func (c *Checker) claimed(e *Event, mem *member, s chat.Status, id chat.MessageID) {
	switch s {
	case chat.Read:
		if id > mem.readSent {
			c.violate(StatusFalse, e, c.conv(e.Conversation).byID[id], "said to be read by user %s, who said so up to %s only", mem.user.id, mem.readSent)
		}
	case chat.Delivered:
		m := c.conv(e.Conversation).byID[id]
		if m == nil {
			if id > mem.received && id > mem.readSent {
				c.violate(StatusFalse, e, nil, "said to be delivered to user %s, who received up to %s only", mem.user.id, mem.received)
			}
			return
		}
		if m.key.sender == mem.user.id {
			return
		}
		for _, d := range mem.user.devices {
			if m.hasGot(d) {
				return
			}
		}
		c.violate(StatusFalse, e, m, "said to be delivered to user %s, none of whose devices received it", mem.user.id)
	}
}

// receipt checks watermarks read over REST: they only move forward, and stay below what happened.
func (c *Checker) receipt(e *Event) {
	mem := c.conv(e.Conversation).members[e.Sender]
	if mem == nil {
		c.violate(WrongRecipient, e, nil, "a receipt of user %s, who never was a member", e.Sender)
		return
	}
	if e.Message < mem.deliveredTo {
		c.violate(StatusBack, e, nil, "deliveredTo of user %s went back from %s to %s", e.Sender, mem.deliveredTo, e.Message)
	}
	if e.ReadTo < mem.readTo {
		c.violate(StatusBack, e, nil, "readTo of user %s went back from %s to %s", e.Sender, mem.readTo, e.ReadTo)
	}
	mem.deliveredTo, mem.readTo = max(mem.deliveredTo, e.Message), max(mem.readTo, e.ReadTo)
	if e.ReadTo > mem.readSent {
		c.violate(StatusFalse, e, nil, "readTo of user %s is %s, but the user read up to %s only", e.Sender, e.ReadTo, mem.readSent)
	}
	if e.Message != 0 {
		c.deliveredUpTo(e, mem)
	}
}

// deliveredUpTo: a watermark claims everything below it.
func (c *Checker) deliveredUpTo(e *Event, mem *member) {
	v := c.conv(e.Conversation)
	for _, m := range v.live {
		if !m.acked || m.id > e.Message || m.key.sender == mem.user.id || !mem.surelyHolds(m) || m.id <= mem.readSent {
			continue
		}
		got := false
		for _, d := range mem.user.devices {
			got = got || m.hasGot(d)
		}
		if !got {
			c.violate(StatusFalse, e, m, "deliveredTo of user %s covers it, but none of their devices received it", mem.user.id)
		}
	}
}
