package bus

import (
	"encoding/binary"

	"github.com/murre-chat/murre/pkg/chat"
)

func appendPush(b []byte, p *chat.Push) []byte {
	b = append(b, byte(p.Kind))
	b = binary.AppendUvarint(b, uint64(bit[uint32](!p.ExceptDevice.IsZero(), pushExcept)|bit[uint32](!p.OnlyDevice.IsZero(), pushOnly)|
		bit[uint32](p.Channel, pushChannel)|bit[uint32](p.Event != chat.Event{}, pushEvent)|bit[uint32](p.Message != nil, pushMessage)|
		bit[uint32](p.Reaction != nil, pushReaction)|bit[uint32](p.Conversation != nil, pushConversation)|bit[uint32](p.Status != nil, pushStatus)|
		bit[uint32](p.Typing != nil, pushTyping)|bit[uint32](p.Presence != nil, pushPresence)|bit[uint32](p.Control != nil, pushControl)))
	b = binary.AppendUvarint(b, uint64(len(p.Recipients)))
	for _, r := range p.Recipients {
		b = appendID(b, r)
	}
	if !p.ExceptDevice.IsZero() {
		b = appendID(b, p.ExceptDevice)
	}
	if !p.OnlyDevice.IsZero() {
		b = appendID(b, p.OnlyDevice)
	}
	if p.Message != nil {
		b = appendMessage(b, p.Message)
	}
	if p.Event != (chat.Event{}) {
		b = appendEvent(b, p.Event, p.Message)
	}
	if p.Reaction != nil {
		b = appendReaction(b, *p.Reaction)
	}
	if p.Conversation != nil {
		b = appendConversation(b, p.Conversation)
	}
	if p.Status != nil {
		b = appendStatus(b, p.Status)
	}
	if t := p.Typing; t != nil {
		b = appendID(appendID(append(b, bit[byte](t.On, 1)), t.Conversation), t.User)
		b = appendText(b, t.Username)
	}
	if pr := p.Presence; pr != nil {
		b = appendID(append(b, bit[byte](pr.Online, 1)), pr.User)
		b = binary.AppendVarint(b, pr.LastSeen)
	}
	if p.Control != nil {
		b = appendControl(b, p.Control)
	}
	return b
}

func (d *decoder) push() *chat.Push {
	p := &chat.Push{Kind: chat.PushKind(d.byte())}
	f := d.flags()
	if f >= pushControl<<1 {
		d.fail()
		return p
	}
	if n := d.count(16); n > 0 {
		p.Recipients = make([]chat.UserID, n)
		for i := range p.Recipients {
			copy(p.Recipients[i][:], d.take(16))
		}
	}
	copy(p.ExceptDevice[:], d.take(16*uint64(bit[uint8](f&pushExcept != 0, 1))))
	copy(p.OnlyDevice[:], d.take(16*uint64(bit[uint8](f&pushOnly != 0, 1))))
	p.Channel = f&pushChannel != 0
	if f&pushMessage != 0 {
		p.Message = d.message()
	}
	if f&pushEvent != 0 {
		p.Event = d.event(p.Message)
	}
	if f&pushReaction != 0 {
		r := d.reaction()
		p.Reaction = &r
	}
	if f&pushConversation != 0 {
		p.Conversation = d.conversation()
	}
	if f&pushStatus != 0 {
		p.Status = d.status()
	}
	if f&pushTyping != 0 {
		on := d.byte() == 1
		t := &chat.Typing{On: on}
		copy(t.Conversation[:], d.take(16))
		copy(t.User[:], d.take(16))
		t.Username = d.text()
		p.Typing = t
	}
	if f&pushPresence != 0 {
		on := d.byte() == 1
		pr := &chat.Presence{Online: on}
		copy(pr.User[:], d.take(16))
		pr.LastSeen = d.varint()
		p.Presence = pr
	}
	if f&pushControl != 0 {
		p.Control = d.control()
	}
	return p
}

// Bits of an event. eventOfMessage: conversation, message and actor are those of the message beside it.
const (
	eventOfMessage = 1 << iota
	eventConversation
	eventMessage
	eventActor
	eventSubject
)

func appendEvent(b []byte, e chat.Event, m *chat.Message) []byte {
	f := bit[uint32](!e.Subject.IsZero(), eventSubject)
	if m != nil && e.Conversation == m.Conversation && e.Message == m.ID && e.Actor == m.Sender {
		f |= eventOfMessage
	} else {
		f |= bit[uint32](!e.Conversation.IsZero(), eventConversation) | bit[uint32](e.Message != 0, eventMessage) |
			bit[uint32](!e.Actor.IsZero(), eventActor)
	}
	b = append(b, byte(f), byte(e.Kind), byte(e.Change))
	b = appendClock(b, e.ID)
	if f&eventConversation != 0 {
		b = appendID(b, e.Conversation)
	}
	if f&eventMessage != 0 {
		b = appendClock(b, e.Message)
	}
	if f&eventActor != 0 {
		b = appendID(b, e.Actor)
	}
	if f&eventSubject != 0 {
		b = appendID(b, e.Subject)
	}
	return b
}

func (d *decoder) event(m *chat.Message) (e chat.Event) {
	f := d.byte()
	e.Kind, e.Change = chat.EventKind(d.byte()), chat.Change(d.byte())
	e.ID = clock[chat.EventID](d)
	if f&eventOfMessage != 0 {
		if m == nil || f&^(eventOfMessage|eventSubject) != 0 {
			d.fail()
			return e
		}
		e.Conversation, e.Message, e.Actor = m.Conversation, m.ID, m.Sender
	}
	if f&eventConversation != 0 {
		copy(e.Conversation[:], d.take(16))
	}
	if f&eventMessage != 0 {
		e.Message = clock[chat.MessageID](d)
	}
	if f&eventActor != 0 {
		copy(e.Actor[:], d.take(16))
	}
	if f&eventSubject != 0 {
		copy(e.Subject[:], d.take(16))
	}
	return e
}

// Bits of a message.
const (
	msgKey = 1 << iota
	msgMediaID
	msgReply
	msgVersion
	msgEdited
	msgDeleted
	msgMedia
	msgReactions
)

func appendMessage(b []byte, m *chat.Message) []byte {
	b = binary.AppendUvarint(b, uint64(bit[uint32](!m.ClientMessageID.IsZero(), msgKey)|bit[uint32](!m.MediaID.IsZero(), msgMediaID)|
		bit[uint32](m.ReplyTo != 0, msgReply)|bit[uint32](m.Version != 0, msgVersion)|bit[uint32](m.EditedAt != 0, msgEdited)|
		bit[uint32](m.Deleted, msgDeleted)|bit[uint32](m.Media != nil, msgMedia)|bit[uint32](len(m.Reactions) > 0, msgReactions)))
	b = append(b, byte(m.ContentType), byte(m.Status))
	b = appendID(appendID(appendClock(b, m.ID), m.Conversation), m.Sender)
	b = appendText(b, m.Content)
	if !m.ClientMessageID.IsZero() {
		b = appendID(b, m.ClientMessageID)
	}
	if !m.MediaID.IsZero() {
		b = appendID(b, m.MediaID)
	}
	if m.ReplyTo != 0 {
		b = appendClock(b, m.ReplyTo)
	}
	if m.Version != 0 {
		b = appendClock(b, m.Version)
	}
	if m.EditedAt != 0 {
		b = binary.AppendVarint(b, m.EditedAt)
	}
	if m.Media != nil {
		b = appendMedia(b, m.Media)
	}
	if len(m.Reactions) > 0 {
		b = binary.AppendUvarint(b, uint64(len(m.Reactions)))
		for _, r := range m.Reactions {
			b = appendReaction(b, r)
		}
	}
	return b
}

func (d *decoder) message() *chat.Message {
	f := d.flags()
	m := &chat.Message{ContentType: chat.ContentType(d.byte()), Status: chat.Status(d.byte()), Deleted: f&msgDeleted != 0}
	m.ID = clock[chat.MessageID](d)
	copy(m.Conversation[:], d.take(16))
	copy(m.Sender[:], d.take(16))
	m.Content = d.text()
	if f&msgKey != 0 {
		copy(m.ClientMessageID[:], d.take(16))
	}
	if f&msgMediaID != 0 {
		copy(m.MediaID[:], d.take(16))
	}
	m.ReplyTo = clockIf[chat.MessageID](d, f&msgReply != 0)
	m.Version = clockIf[chat.MessageID](d, f&msgVersion != 0)
	if f&msgEdited != 0 {
		m.EditedAt = d.varint()
	}
	if f&msgMedia != 0 {
		m.Media = d.media()
	}
	if f&msgReactions != 0 {
		if n := d.count(25); n > 0 { // 16 + 8 + the length of the text
			m.Reactions = make([]chat.Reaction, n)
			for i := range m.Reactions {
				m.Reactions[i] = d.reaction()
			}
		}
	}
	return m
}

func appendReaction(b []byte, r chat.Reaction) []byte {
	return appendText(appendClock(appendID(b, r.User), r.At), r.Emoji)
}

func (d *decoder) reaction() (r chat.Reaction) {
	copy(r.User[:], d.take(16))
	r.At = clock[chat.MessageID](d)
	r.Emoji = d.text()
	return r
}

// Bits of a blob's description.
const (
	mediaAvatar = 1 << iota
	mediaThumb
	mediaReady
)

func appendMedia(b []byte, m *chat.Media) []byte {
	b = append(b, bit[byte](m.Avatar, mediaAvatar)|bit[byte](m.Thumb, mediaThumb)|bit[byte](m.Ready, mediaReady))
	b = appendID(appendID(appendID(b, m.ID), m.Owner), m.Conversation)
	b = append(b, m.SHA256[:]...)
	b = appendText(appendText(b, m.ContentType), m.Name)
	b = binary.AppendVarint(b, m.Size)
	b = binary.AppendVarint(b, int64(m.Width))
	b = binary.AppendVarint(b, int64(m.Height))
	return binary.AppendVarint(b, m.CreatedAt)
}

func (d *decoder) media() *chat.Media {
	f := d.byte()
	m := &chat.Media{Avatar: f&mediaAvatar != 0, Thumb: f&mediaThumb != 0, Ready: f&mediaReady != 0}
	copy(m.ID[:], d.take(16))
	copy(m.Owner[:], d.take(16))
	copy(m.Conversation[:], d.take(16))
	copy(m.SHA256[:], d.take(32))
	m.ContentType, m.Name = d.text(), d.text()
	m.Size, m.Width, m.Height, m.CreatedAt = d.varint(), int(d.varint()), int(d.varint()), d.varint()
	return m
}

func appendConversation(b []byte, c *chat.ConversationChange) []byte {
	v := &c.Conversation
	b = append(b, byte(v.Kind), byte(c.Change), byte(c.Role))
	b = appendID(appendID(appendID(appendID(b, v.ID), v.Avatar), v.CreatedBy), c.Subject)
	b = appendText(b, v.Name)
	b = binary.AppendVarint(b, v.CreatedAt)
	return binary.AppendVarint(b, c.At)
}

func (d *decoder) conversation() *chat.ConversationChange {
	c := &chat.ConversationChange{}
	v := &c.Conversation
	v.Kind, c.Change, c.Role = chat.Kind(d.byte()), chat.Change(d.byte()), chat.Role(d.byte())
	copy(v.ID[:], d.take(16))
	copy(v.Avatar[:], d.take(16))
	copy(v.CreatedBy[:], d.take(16))
	copy(c.Subject[:], d.take(16))
	v.Name = d.text()
	v.CreatedAt, c.At = d.varint(), d.varint()
	return c
}

func appendStatus(b []byte, s *chat.StatusChange) []byte {
	b = appendID(appendID(append(b, byte(s.Status)), s.Conversation), s.User)
	b = binary.AppendVarint(b, s.At)
	b = binary.AppendUvarint(b, uint64(len(s.Messages)))
	for _, m := range s.Messages {
		b = appendClock(b, m)
	}
	return b
}

func (d *decoder) status() *chat.StatusChange {
	s := &chat.StatusChange{Status: chat.Status(d.byte())}
	copy(s.Conversation[:], d.take(16))
	copy(s.User[:], d.take(16))
	s.At = d.varint()
	if n := d.count(8); n > 0 {
		s.Messages = make([]chat.MessageID, n)
		for i := range s.Messages {
			s.Messages[i] = clock[chat.MessageID](d)
		}
	}
	return s
}

// Bits of a control.
const (
	controlSession = 1 << iota
	controlConversation
	controlKeep
	controlSeq
	controlFrom
)

func appendControl(b []byte, c *chat.Control) []byte {
	f := bit[byte](c.Session != [32]byte{}, controlSession) | bit[byte](!c.Conversation.IsZero(), controlConversation) |
		bit[byte](c.KeepSession != [32]byte{}, controlKeep) | bit[byte](c.Seq != 0, controlSeq) | bit[byte](c.Gateway != "" || c.Epoch != 0, controlFrom)
	b = append(b, f, byte(c.Kind))
	if f&controlSession != 0 {
		b = append(b, c.Session[:]...)
	}
	if f&controlConversation != 0 {
		b = appendID(b, c.Conversation)
	}
	if f&controlKeep != 0 {
		b = append(b, c.KeepSession[:]...)
	}
	if f&controlSeq != 0 {
		b = binary.AppendVarint(b, c.Seq)
	}
	if f&controlFrom != 0 {
		b = binary.AppendVarint(appendText(b, c.Gateway), c.Epoch)
	}
	return b
}

func (d *decoder) control() *chat.Control {
	f := d.byte()
	c := &chat.Control{Kind: chat.ControlKind(d.byte())}
	if f&controlSession != 0 {
		copy(c.Session[:], d.take(32))
	}
	if f&controlConversation != 0 {
		copy(c.Conversation[:], d.take(16))
	}
	if f&controlKeep != 0 {
		copy(c.KeepSession[:], d.take(32))
	}
	if f&controlSeq != 0 {
		c.Seq = d.varint()
	}
	if f&controlFrom != 0 {
		c.Gateway, c.Epoch = d.text(), d.varint()
	}
	return c
}
