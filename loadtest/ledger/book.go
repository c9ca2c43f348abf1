package ledger

import (
	"fmt"
	"time"

	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/loadtest/result"
	"github.com/murre-chat/murre/pkg/chat"
)

// Limits of what a Book keeps.
const (
	Window   = 256 // receptions of one user in one conversation that are remembered one by one
	answers  = 8   // acked messages of one sender in one conversation that are
	examples = 20  // violations that are told in words, a kind
	// slack is how far the clocks behind event ids and synced may be apart.
	slack = time.Second
)

// Book is what one worker's users sent and received. It belongs to one goroutine.
type Book struct {
	p     *population.Population
	began time.Time // moments of violations count from it
	out   map[entry]*outgoing
	in    map[entry]*incoming
	seen  map[claimKey]claim

	// Late is how old an event may be when it appears in a log in front of others that were read before: 0 for never. A cluster
	// writes the rows of a message one by one, within its horizon; what is read meanwhile takes its time until it is here.
	Late time.Duration

	// Owed is how many receptions the acked messages ask for, over all members; Got is how many first ones there were.
	Owed, Got int64
	// Repeated receptions are further ones of the same message under the same id: allowed, and counted.
	Repeated int64
	Acks     int64 // messages acked

	counts map[string]int64
	told   []result.Violation
}

// entry is one user in one conversation.
type entry struct{ conv, user uint32 }

// outgoing is what one user sent to one conversation.
type outgoing struct {
	next    uint32 // number of the next message
	acked   uint32
	solid   uint32 // all numbers up to it were answered
	refused uint32
	sum     uint64
	max     chat.MessageID
	last    [answers]answer
	at      uint8
	beyond  []uint32 // answered numbers above solid; few
}

type answer struct {
	number uint32
	resent bool
	id     chat.MessageID
}

// incoming is what one user received in one conversation.
type incoming struct {
	count uint32
	at    uint32 // where the ring goes on
	sum   uint64
	max   chat.MessageID // highest id received
	read  chat.MessageID // highest id that was said to be read
	gone  chat.MessageID // highest id that left the ring
	ring  []reception
}

type reception struct {
	sender, number, barrier uint32
	id                      chat.MessageID
}

// NewBook makes an empty Book.
func NewBook(p *population.Population, began time.Time) *Book {
	return &Book{p: p, began: began, out: map[entry]*outgoing{}, in: map[entry]*incoming{}, seen: map[claimKey]claim{}, counts: map[string]int64{}}
}

// digest of one message; sums of digests don't depend on an order.
func digest(n *Note, m chat.MessageID) uint64 {
	x := uint64(n.Conversation)<<32 ^ uint64(n.Sender)
	x = scatter(x) ^ uint64(n.Number)
	return scatter(scatter(x) ^ uint64(m))
}

func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// violate counts a broken promise and keeps the first ones of a kind in words.
func (b *Book) violate(kind string, user int, conv chat.ConversationID, m chat.MessageID, format string, args ...any) {
	b.counts[kind]++
	if b.counts[kind] > examples {
		return
	}
	v := result.Violation{Kind: kind, At: time.Since(b.began).Seconds(), Detail: fmt.Sprintf(format, args...)}
	if user >= 0 {
		v.User = b.p.User(user).String()
	}
	if !conv.IsZero() {
		v.Conversation = conv.String()
	}
	if m != 0 {
		v.Message = m.String()
	}
	b.told = append(b.told, v)
}

// Found are the violations so far: counts by kind, and the first ones in words. They are the Book's: copy what is kept.
func (b *Book) Found() (counts map[string]int64, told []result.Violation) { return b.counts, b.told }

func (b *Book) sent(user, conv int) *outgoing {
	k := entry{uint32(conv), uint32(user)}
	o := b.out[k]
	if o == nil {
		o = &outgoing{next: 1}
		b.out[k] = o
	}
	return o
}

// Make numbers the next message of a user to a conversation; Due is left to the caller.
func (b *Book) Make(user, conv int) Note {
	o := b.sent(user, conv)
	n := Note{Conversation: conv, Sender: user, Number: o.next, Barrier: o.solid}
	o.next++
	return n
}

// Floor is the largest id that was acked to a user in a conversation: what is put on the wire now must get a larger one.
func (b *Book) Floor(user, conv int) chat.MessageID { return b.sent(user, conv).max }

// Acked notes an answer to a message. floor is what Floor said when it was first put on the wire; resent: it was on the wire
// more than once, so that nothing is promised about its order among those that were under way with it.
func (b *Book) Acked(n *Note, m chat.MessageID, floor chat.MessageID, resent bool) {
	o := b.sent(n.Sender, n.Conversation)
	for i := range o.last {
		a := &o.last[i]
		switch {
		case a.number == n.Number:
			if a.id != m {
				b.violate(result.Doubled, n.Sender, chat.ConversationID{}, m, "acked under a second id; the first is %s", a.id)
			}
			return
		case a.id == m && a.number != 0:
			b.violate(result.Doubled, n.Sender, chat.ConversationID{}, m, "two messages of one sender were acked under one id")
		case a.number != 0 && !resent && !a.resent && (a.number < n.Number) != (a.id < m):
			b.violate(result.Reordered, n.Sender, chat.ConversationID{}, m, "number %d of its sender; number %d has the id %s", n.Number, a.number, a.id)
		}
	}
	if m <= floor {
		b.violate(result.Reordered, n.Sender, chat.ConversationID{}, m, "its id isn't above %s, which was acked before it was sent", floor)
	}
	o.last[o.at%answers] = answer{number: n.Number, resent: resent, id: m}
	o.at++
	o.max = max(o.max, m)
	o.acked++
	o.sum += digest(n, m)
	o.answered(n.Number)
	b.Acks++
	b.Owed += int64(b.p.Size(n.Conversation) - 1)
}

// Refused notes that a message was refused for good: nobody may ever see it.
func (b *Book) Refused(n *Note) {
	o := b.sent(n.Sender, n.Conversation)
	o.refused++
	o.answered(n.Number)
}

// answered moves solid.
func (o *outgoing) answered(number uint32) {
	if number != o.solid+1 {
		if number > o.solid {
			o.beyond = append(o.beyond, number)
		}
		return
	}
	o.solid = number
	for i := 0; i < len(o.beyond); i++ {
		if o.beyond[i] == o.solid+1 {
			o.solid++
			o.beyond = append(o.beyond[:i], o.beyond[i+1:]...)
			i = -1
		}
	}
	if len(o.beyond) == 0 {
		o.beyond = nil
	}
}

// StateBytes is roughly what the Book holds.
func (b *Book) StateBytes() int64 {
	const mapEntry = 40
	n := int64(len(b.out)) * (mapEntry + 192)
	for _, s := range b.in {
		n += mapEntry + 88 + int64(cap(s.ring))*24
	}
	return n + int64(len(b.seen))*(mapEntry+24)
}
