package protocol

import "github.com/murre-chat/murre/pkg/chat"

// Pending builds one `pending_messages` frame entry by entry, in the order of the log. The zero value is ready; Reset
// makes it ready again and keeps its buffers. Callers stop at chat.MaxBatch entries (Len) or when Size is large enough.
type Pending struct {
	messages, events []byte
	n                int
}

// Reset empties the builder.
func (p *Pending) Reset() { p.messages, p.events, p.n = p.messages[:0], p.events[:0], 0 }

// Len is how many entries were added.
func (p *Pending) Len() int { return p.n }

// Size is how many bytes the entries take.
func (p *Pending) Size() int { return len(p.messages) + len(p.events) }

func (p *Pending) sep(b []byte) []byte {
	p.n++
	if len(b) > 0 {
		b = append(b, ',')
	}
	return b
}

// Message adds a message, see AppendMessageObject.
func (p *Pending) Message(m *chat.Message, event chat.EventID, status chat.Status) {
	p.messages = AppendMessageObject(p.sep(p.messages), m, event, status)
}

// close ends an event's object behind its payload.
func (p *Pending) close(event chat.EventID) {
	p.events = append(appendEventID(p.events, `,"eventId":`, event), '}')
}

// Edited adds an edit, see AppendEdited.
func (p *Pending) Edited(m *chat.Message, event chat.EventID) {
	p.events = appendEdited(p.sep(p.events), m, event, `{"type":"message_edited","payload":{"conversationId":`, "}")
	p.close(event)
}

// Deleted adds a deletion, see AppendDeleted.
func (p *Pending) Deleted(c chat.ConversationID, m chat.MessageID, event chat.EventID) {
	p.events = appendDeleted(p.sep(p.events), c, m, event, `{"type":"message_deleted","payload":{"conversationId":`, "}")
	p.close(event)
}

// Reaction adds a reaction, see AppendReaction.
func (p *Pending) Reaction(c chat.ConversationID, m chat.MessageID, r *chat.Reaction, event chat.EventID) {
	p.events = appendReaction(p.sep(p.events), c, m, r, event, `{"type":"reaction","payload":{"conversationId":`, "}")
	p.close(event)
}

// Conversation adds a change of a conversation, see AppendConversation.
func (p *Pending) Conversation(c *chat.ConversationChange, event chat.Event) {
	p.events = appendConversation(p.sep(p.events), c, event, `{"type":"conversation","payload":{"conversationId":`, "}")
	p.close(event.ID)
}

// AppendTo appends the frame. upTo is the event id to acknowledge, more says that another batch follows the ack.
func (p *Pending) AppendTo(dst []byte, upTo chat.EventID, more bool) []byte {
	dst = append(append(dst, `{"type":"pending_messages","payload":{"messages":[`...), p.messages...)
	dst = append(append(dst, `],"events":[`...), p.events...)
	dst = appendEventID(dst, `],"eventId":`, upTo)
	return append(appendBool(dst, `,"more":`, more), "}}"...)
}
