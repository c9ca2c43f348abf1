package chatui

import (
	"slices"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
	"github.com/murre-chat/murre/pkg/protocol"
)

// maxEntries is how many messages a room keeps.
const maxEntries = 2000

// entry is one message of a room, or a notice.
type entry struct {
	number  int // what commands call it; 0: a notice
	msg     protocol.Message
	client  chat.ClientMessageID
	failed  string      // why it could not be sent
	notice  string      // a line of the program's own
	shown   chat.Status // the status last printed
	printed string      // the text last printed, in line mode
	at      time.Time
	pending bool // not stored yet
}

// room is what is known of one conversation.
type room struct {
	me      chat.UserID
	conv    client.Conversation
	names   map[chat.UserID]string
	entries []*entry // by message id; notices and unsent ones where they came
	last    int      // the number given last
	marks   map[chat.UserID]client.Receipt
	exact   map[chat.MessageID]map[chat.UserID]bool // delivered, beyond what the marks say
	typing  map[chat.UserID]time.Time               // until when
	online  map[chat.UserID]bool
	oldest  chat.MessageID
	hasMore bool
}

func newRoom(me chat.UserID, conv client.Conversation) *room {
	r := &room{
		me: me, conv: conv, names: map[chat.UserID]string{}, marks: map[chat.UserID]client.Receipt{},
		exact: map[chat.MessageID]map[chat.UserID]bool{}, typing: map[chat.UserID]time.Time{}, online: map[chat.UserID]bool{},
	}
	r.learn(conv)
	return r
}

func (r *room) learn(conv client.Conversation) {
	r.conv = conv
	for _, p := range conv.Participants {
		r.names[p.User] = p.Username
	}
}

// others are the members beside me.
func (r *room) others() []chat.UserID {
	var out []chat.UserID
	for _, p := range r.conv.Participants {
		if p.User != r.me {
			out = append(out, p.User)
		}
	}
	return out
}

func (r *room) name(u chat.UserID) string {
	if u == r.me {
		return "you"
	}
	if n := r.names[u]; n != "" {
		return n
	}
	return u.String()[:8]
}

// title is the room's name as its members see it.
func (r *room) title() string {
	if r.conv.Name != "" {
		return r.conv.Name
	}
	title := ""
	for _, u := range r.others() {
		if title != "" {
			title += ", "
		}
		title += r.name(u)
	}
	if title == "" {
		return "yourself"
	}
	return title
}

// post adds an own message that is on its way.
func (r *room) post(c chat.ClientMessageID, content string, reply chat.MessageID, at time.Time) *entry {
	r.last++
	e := &entry{number: r.last, client: c, pending: true, at: at}
	e.msg = protocol.Message{Conversation: r.conv.ID, Sender: r.me, Content: content, ContentType: "text", ReplyTo: reply, ClientMessageID: c}
	r.entries = append(r.entries, e)
	return e
}

// add takes in a message; it returns its entry, and whether it is new here.
func (r *room) add(m protocol.Message) (*entry, bool) {
	if m.Sender == r.me && !m.ClientMessageID.IsZero() {
		for _, e := range r.entries {
			if e.client == m.ClientMessageID {
				if e.pending || m.ID < e.msg.ID {
					e.msg, e.pending, e.failed = m, false, ""
					r.place(e)
				}
				return e, false
			}
		}
	}
	if e := r.find(m.ID); e != nil {
		e.msg = m
		return e, false
	}
	r.last++
	e := &entry{number: r.last, msg: m, client: m.ClientMessageID, at: m.CreatedAt.Time()}
	r.entries = append(r.entries, e)
	r.place(e)
	delete(r.typing, m.Sender)
	if r.oldest == 0 || m.ID < r.oldest {
		r.oldest = m.ID
	}
	if len(r.entries) > maxEntries {
		r.entries = slices.Delete(r.entries, 0, len(r.entries)-maxEntries)
	}
	return e, true
}

// place moves an entry to where its id belongs: before the first message with a larger one.
func (r *room) place(e *entry) {
	i := slices.Index(r.entries, e)
	to := i
	for to > 0 && (r.entries[to-1].msg.ID > e.msg.ID || (r.entries[to-1].pending && !e.pending)) {
		to--
	}
	if to != i {
		r.entries = slices.Delete(r.entries, i, i+1)
		r.entries = slices.Insert(r.entries, to, e)
	}
}

// say adds a notice.
func (r *room) say(text string, at time.Time) *entry {
	e := &entry{notice: text, at: at}
	if n := len(r.entries); n > 0 {
		e.msg.ID = r.entries[n-1].msg.ID // stays where it is
	}
	r.entries = append(r.entries, e)
	return e
}

func (r *room) find(id chat.MessageID) *entry {
	for i := len(r.entries) - 1; i >= 0; i-- {
		if e := r.entries[i]; e.number != 0 && !e.pending && e.msg.ID == id {
			return e
		}
	}
	return nil
}

// numbered returns the message that commands call n; 0 is the last own one.
func (r *room) numbered(n int) *entry {
	for i := len(r.entries) - 1; i >= 0; i-- {
		e := r.entries[i]
		if e.number == 0 {
			continue
		}
		if (n == 0 && e.msg.Sender == r.me && !e.pending && !e.msg.Deleted) || (n != 0 && e.number == n) {
			return e
		}
	}
	return nil
}

// status takes in what a member's devices received or the member read.
func (r *room) status(s *protocol.StatusPayload) {
	if s.Status == chat.Read.String() {
		m := r.marks[s.User]
		m.ReadTo = max(m.ReadTo, s.Message)
		m.DeliveredTo = max(m.DeliveredTo, s.Message)
		r.marks[s.User] = m
		return
	}
	for _, id := range append([]chat.MessageID{s.Message}, s.Messages...) {
		if id == 0 {
			continue
		}
		if r.exact[id] == nil {
			r.exact[id] = map[chat.UserID]bool{}
		}
		r.exact[id][s.User] = true
	}
}

// receipts takes in watermarks; they only move forward.
func (r *room) receipts(list []client.Receipt) {
	for _, n := range list {
		m := r.marks[n.User]
		m.User, m.DeliveredTo, m.ReadTo = n.User, max(m.DeliveredTo, n.DeliveredTo), max(m.ReadTo, n.ReadTo)
		r.marks[n.User] = m
	}
}

// seen counts the other members whom an own message was delivered to, and who read it.
func (r *room) seen(e *entry) (delivered, read, of int) {
	for _, u := range r.others() {
		of++
		m := r.marks[u]
		if m.ReadTo >= e.msg.ID {
			read++
			delivered++
		} else if m.DeliveredTo >= e.msg.ID || r.exact[e.msg.ID][u] {
			delivered++
		}
	}
	return delivered, read, of
}

// statusOf is an own message's status: the lowest over the members. What the server said when it was read counts too.
func (r *room) statusOf(e *entry) chat.Status {
	delivered, read, of := r.seen(e)
	s := chat.Sent
	switch {
	case of > 0 && read == of:
		s = chat.Read
	case of > 0 && delivered == of:
		s = chat.Delivered
	}
	switch e.msg.Status {
	case "read":
		s = max(s, chat.Read)
	case "delivered":
		s = max(s, chat.Delivered)
	}
	return s
}

// lastOther is the newest message of somebody else.
func (r *room) lastOther() chat.MessageID {
	for i := len(r.entries) - 1; i >= 0; i-- {
		if e := r.entries[i]; e.number != 0 && e.msg.Sender != r.me {
			return e.msg.ID
		}
	}
	return 0
}
