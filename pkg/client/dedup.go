package client

import (
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// window remembers the last messages and events that were handled, to show none twice. What falls out of it may be
// shown again: it is far larger than what a server sends unacknowledged.
type window struct {
	size     int
	messages map[chat.MessageID]struct{}
	sends    map[sendKey]chat.MessageID
	events   map[chat.EventID]struct{}
	order    []entry // a ring
	next     int
}

type sendKey struct {
	sender chat.UserID
	client chat.ClientMessageID
}

type entry struct {
	message chat.MessageID
	send    sendKey
	event   chat.EventID
}

func newWindow(size int) *window {
	return &window{
		size: size, messages: map[chat.MessageID]struct{}{}, sends: map[sendKey]chat.MessageID{},
		events: map[chat.EventID]struct{}{},
	}
}

// message says whether a message was seen, and which id it replaces when it is the same send under an older id.
func (w *window) message(m *protocol.Message) (seen bool, replaces chat.MessageID) {
	if _, ok := w.messages[m.ID]; ok {
		return true, 0
	}
	if m.ClientMessageID.IsZero() {
		return false, 0
	}
	other, ok := w.sends[sendKey{m.Sender, m.ClientMessageID}]
	switch {
	case !ok:
		return false, 0
	case other < m.ID:
		return true, 0 // the smaller id counts
	}
	return false, other
}

func (w *window) addMessage(m *protocol.Message) {
	e := entry{message: m.ID}
	w.messages[m.ID] = struct{}{}
	if !m.ClientMessageID.IsZero() {
		e.send = sendKey{m.Sender, m.ClientMessageID}
		w.sends[e.send] = m.ID
	}
	w.push(e)
}

func (w *window) event(id chat.EventID) bool {
	_, ok := w.events[id]
	return ok
}

func (w *window) addEvent(id chat.EventID) {
	w.events[id] = struct{}{}
	w.push(entry{event: id})
}

func (w *window) push(e entry) {
	if len(w.order) < w.size {
		w.order = append(w.order, e)
		return
	}
	old := w.order[w.next]
	w.order[w.next] = e
	w.next = (w.next + 1) % w.size
	delete(w.messages, old.message)
	delete(w.events, old.event)
	if w.sends[old.send] == old.message {
		delete(w.sends, old.send)
	}
}

// reset forgets everything: after a gap the application has dropped its cache too.
func (w *window) reset() { *w = *newWindow(w.size) }
