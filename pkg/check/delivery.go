package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

func (c *Checker) violate(v Verdict, e *Event, m *message, format string, args ...any) {
	c.report.Counts[v]++
	if len(c.report.Violations) >= c.o.MaxViolations {
		return
	}
	x := Violation{Verdict: v, Invariant: invariants[v], Detail: fmt.Sprintf(format, args...)}
	if e != nil {
		x.At, x.Conversation, x.Message, x.Client, x.User, x.Device = e.At, e.Conversation, e.Message, e.Client, e.User, e.Device
	}
	if m != nil {
		x.Conversation, x.Client = m.conv.id, m.key.client
		if m.id != 0 {
			x.Message = m.id
		}
	}
	c.report.Violations = append(c.report.Violations, x)
}

func (m *message) hasGot(d *device) bool {
	s, ok := m.conv.slots[d]
	return ok && s/64 < len(m.got) && m.got[s/64]&(1<<(s%64)) != 0
}

// mark notes that a device has the message and reports whether that is new.
func (m *message) mark(d *device) bool {
	s, ok := m.conv.slots[d]
	if !ok {
		s = len(m.conv.slots)
		m.conv.slots[d] = s
	}
	for s/64 >= len(m.got) {
		m.got = append(m.got, 0)
	}
	if m.got[s/64]&(1<<(s%64)) != 0 {
		return false
	}
	m.got[s/64] |= 1 << (s % 64)
	m.gotN++
	return true
}

// expects reports whether the promise covers this device for this (acked) message: its user was a member from before
// the sending and never left since, the device existed, is still in use, and isn't the one that sent it.
func (c *Checker) expects(v *conversation, m *message, d *device) bool {
	if !m.acked || d == m.from || d.gone || d.revoked != 0 || d.addedAt > m.firstSent {
		return false
	}
	mem := v.members[d.user.id]
	return mem != nil && mem.surelyHolds(m)
}

// surelyHolds: joined before it was sent, and not left since (a removal drops what is pending).
func (mem *member) surelyHolds(m *message) bool {
	if len(mem.spans) == 0 {
		return false
	}
	s := mem.spans[len(mem.spans)-1]
	return s.leaveAsked == 0 && s.joined <= m.firstSent
}

// mayHold: some stretch of the membership can hold it, with the grace that a removal has.
func (mem *member) mayHold(m *message, grace time.Duration) bool {
	for _, s := range mem.spans {
		afterJoin := !m.acked || m.ackedAt >= s.joinAsked
		beforeLeave := s.left == 0 || m.firstSent <= s.left+grace.Microseconds()
		if afterJoin && beforeLeave {
			return true
		}
	}
	return false
}

func (c *Checker) sent(e *Event) {
	c.seq++
	v := c.conv(e.Conversation)
	k := sendKey{e.User, e.Client}
	m := c.bySend[k]
	if m == nil {
		m = c.newMessage(v, k)
	}
	if !m.sent {
		m.sent, m.from, m.firstSent, m.firstSeq = true, c.device(e), e.At, c.seq
		m.digest, m.replyTo, m.node, m.floor = e.Digest, e.ReplyTo, e.Node, c.maxAcked[e.Node]
		c.report.Sent++
	}
	m.lastSeq, m.rejected = c.seq, false
}

func (c *Checker) newMessage(v *conversation, k sendKey) *message {
	m := &message{conv: v, key: k}
	if !k.client.IsZero() {
		c.bySend[k] = m
	}
	v.live = append(v.live, m)
	return m
}

func (c *Checker) acked(e *Event) {
	k := sendKey{e.User, e.Client}
	m := c.bySend[k]
	if m == nil || !m.sent {
		if _, old := c.conv(e.Conversation).recent[e.Message]; !old {
			c.violate(Ghost, e, nil, "acked, but never sent")
		}
		return
	}
	if m.acked {
		if m.id != e.Message {
			c.violate(Duplicate, e, m, "acked under two ids: %s, then %s", m.id, e.Message)
		}
		return
	}
	if m.conv.id != e.Conversation && !e.Conversation.IsZero() {
		c.violate(Diverged, e, m, "sent to conversation %s, acked in %s", m.conv.id, e.Conversation)
	}
	if m.rejected {
		c.violate(RejectedStored, e, m, "rejected, and then acked")
	}
	m.acked, m.ackedAt = true, e.At
	m.conv.ackedAny = true
	c.report.Acked++
	c.identify(m, e)
	m.id = e.Message
	if e.Message <= m.floor {
		c.violate(IDWentBack, e, m, "its id is not above %s, which was acked before it was sent", m.floor)
	}
	if e.Message > c.maxAcked[e.Node] {
		c.maxAcked[e.Node] = e.Message
	}
	if m.replyTo != 0 && m.replyTo >= e.Message {
		c.violate(Disorder, e, m, "it answers %s but sorts before it", m.replyTo)
	}
	c.sendOrder(m, e)
	c.settle(m)
}

// identify files a message under an id and finds ids that two messages share.
func (c *Checker) identify(m *message, e *Event) {
	v := m.conv
	if other := v.byID[e.Message]; other != nil && other != m {
		if other.key.client.IsZero() {
			// Seen before without its clientMessageId: the same message.
			m.got, m.gotN, m.minEvent = other.got, other.gotN, other.minEvent
			v.live = slices.DeleteFunc(v.live, func(x *message) bool { return x == other })
		} else {
			c.violate(IDReused, e, m, "its id is also that of client id %s of user %s", other.key.client, other.key.sender)
		}
	}
	v.byID[e.Message] = m
	if m.id == 0 {
		m.id = e.Message
	}
}

// sendOrder is what one device sent to one conversation, as far as the check of ids against send order needs it.
type sendOrder struct {
	max    *message   // the largest id among those sent once
	resent []*message // those sent more than once; few
}

// sendOrder checks an acked message against what the same device sent before it. Between two messages of which either had
// an error, or whose attempts interleave, nothing is promised.
func (c *Checker) sendOrder(m *message, e *Event) {
	if m.failed || m.rejected {
		return
	}
	o := m.conv.orders[m.from]
	if o == nil {
		o = &sendOrder{}
		m.conv.orders[m.from] = o
	}
	swapped := func(a *message) bool {
		before := a.firstSeq < m.firstSeq && a.lastSeq < m.lastSeq
		after := a.firstSeq > m.firstSeq && a.lastSeq > m.lastSeq
		return before && a.id > m.id || after && a.id < m.id
	}
	if o.max != nil && swapped(o.max) {
		c.violate(Disorder, e, m, "sent after %s by the same device, but its id is smaller (or the reverse)", o.max.id)
	}
	for _, a := range o.resent {
		if swapped(a) {
			c.violate(Disorder, e, m, "sent after %s by the same device, but its id is smaller (or the reverse)", a.id)
		}
	}
	if m.firstSeq != m.lastSeq {
		if len(o.resent) == 1024 {
			o.resent = o.resent[1:]
		}
		o.resent = append(o.resent, m)
	}
	if o.max == nil || m.id > o.max.id {
		o.max = m
	}
}

func (c *Checker) failed(e *Event) {
	m := c.bySend[sendKey{e.User, e.Client}]
	if m == nil {
		return
	}
	if e.Retry {
		m.failed = true
		return
	}
	m.rejected = true
	if m.id != 0 {
		c.violate(RejectedStored, e, m, "rejected, but it was received or acked")
	}
}

func (c *Checker) received(e *Event) {
	d := c.device(e)
	v := c.conv(e.Conversation)
	if d.revoked != 0 && e.At > d.revoked+c.o.Grace.Microseconds() {
		c.violate(AfterRevocation, e, nil, "received %.1f s after the revocation", float64(e.At-d.revoked)/1e6)
	}
	if at := v.removed[e.Message]; at != 0 && !e.Deleted && e.Began > at {
		c.violate(DeletedShown, e, nil, "asked for after the deletion and received with content")
	}
	mem := v.members[e.User]
	if mem == nil {
		c.violate(WrongRecipient, e, nil, "received by somebody who never was a member")
		return
	}
	if e.Message > mem.received {
		mem.received = e.Message
	}
	m := c.find(v, e)
	if m == nil {
		if _, old := v.recent[e.Message]; old || (len(v.ring) > 0 && e.Message < v.ring[v.ringAt%len(v.ring)]) {
			c.report.Repeated++
			return
		}
		m = c.newMessage(v, sendKey{e.Sender, e.Client})
	}
	c.content(m, e)
	if m.rejected {
		c.violate(RejectedStored, e, m, "rejected, but received")
	}
	if m.sent && !mem.mayHold(m, c.o.Grace) {
		c.violate(WrongRecipient, e, m, "received by somebody who wasn't a member when it was sent")
	}
	c.identify(m, e)
	if e.Event != 0 && (m.minEvent == 0 || e.Event < m.minEvent) {
		m.minEvent = e.Event
	}
	if !m.mark(d) {
		c.report.Repeated++
		return
	}
	c.report.Received++
	c.settle(m)
}

func (c *Checker) find(v *conversation, e *Event) *message {
	if !e.Client.IsZero() {
		if m := c.bySend[sendKey{e.Sender, e.Client}]; m != nil {
			if m.conv != v {
				c.violate(WrongRecipient, e, m, "it came up in conversation %s", v.id)
			}
			return m
		}
	}
	return v.byID[e.Message]
}

func (c *Checker) shown(e *Event) {
	d := c.device(e)
	if d.shown == nil {
		d.shown = map[chat.MessageID]struct{}{}
	}
	if !c.o.Exact && len(d.shown) >= c.o.Window {
		d.shown, d.shownOld = map[chat.MessageID]struct{}{}, d.shown
	}
	_, twice := d.shown[e.Message]
	if _, old := d.shownOld[e.Message]; twice || old {
		c.violate(ShownTwice, e, nil, "shown twice by a client that dedups")
	}
	d.shown[e.Message] = struct{}{}
}

// synced checks that everything acked before UpTo has come.
func (c *Checker) synced(e *Event) {
	d := c.device(e)
	if e.UpTo < d.lastSync-c.o.ClockSlack.Milliseconds() {
		c.violate(SyncedLied, e, nil, "synced went back by %d ms", d.lastSync-e.UpTo)
	}
	d.lastSync = max(d.lastSync, e.UpTo)
	limit := e.UpTo*1000 - c.o.ClockSlack.Microseconds()
	for _, v := range d.user.convs {
		for _, m := range v.live {
			if m.acked && m.ackedAt < limit && !m.hasGot(d) && c.expects(v, m, d) {
				c.violate(SyncedLied, e, m, "acked %d ms before the synced time, but not delivered to the device by then", (e.UpTo*1000-m.ackedAt)/1000)
			}
		}
	}
}

// settle drops a message that is acked and received everywhere, unless the checker is exact.
func (c *Checker) settle(m *message) {
	v := m.conv
	if !m.acked || c.o.Exact || m.gotN < len(v.members)-1 {
		return
	}
	for _, mem := range v.members {
		for _, d := range mem.user.devices {
			if c.expects(v, m, d) && !m.hasGot(d) {
				return
			}
		}
	}
	delete(c.bySend, m.key)
	delete(v.byID, m.id)
	for i, x := range v.live {
		if x == m {
			v.live = append(v.live[:i], v.live[i+1:]...)
			break
		}
	}
	v.settled.add(m.id)
	v.recent[m.id] = struct{}{}
	if len(v.ring) < c.o.Window {
		v.ring = append(v.ring, m.id)
		return
	}
	at := v.ringAt % len(v.ring)
	delete(v.recent, v.ring[at])
	v.ring[at] = m.id
	v.ringAt++
}

// Finish judges what must have happened by now and returns the report. Call it after quiescence: every send acked or
// given up, every device connected, synced and silent, histories read.
func (c *Checker) Finish() Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.convs {
		if c.o.AllListed && v.ackedAny && !v.listed {
			c.violate(Lost, &Event{Conversation: v.id}, nil, "nobody read the history of this conversation")
		}
		for _, m := range v.live {
			if !m.sent && !c.o.Open {
				c.violate(Ghost, nil, m, "received, but nobody sent it")
			}
			if m.acked {
				c.undelivered(v, m)
			}
		}
	}
	r := c.report
	r.Violations = slices.Clone(r.Violations)
	return r
}

func (c *Checker) undelivered(v *conversation, m *message) {
	expected, missing := 0, []*device(nil)
	for _, mem := range v.members {
		for _, d := range mem.user.devices {
			if c.expects(v, m, d) {
				expected++
				if !m.hasGot(d) {
					missing = append(missing, d)
				}
			}
		}
	}
	where := "its history holds it"
	if m.lost {
		where = "its history doesn't hold it either"
	} else if !v.listed {
		where = "its history wasn't read"
	}
	for _, d := range missing {
		c.violate(Undelivered, &Event{At: m.ackedAt, User: d.user.id, Device: d.id}, m,
			"acked to user %s, but this device never received it (%d of %d devices have it; %s; device synced up to %s)",
			m.key.sender, expected-len(missing), expected, where, time.UnixMilli(d.lastSync).UTC().Format("15:04:05.000"))
	}
}
