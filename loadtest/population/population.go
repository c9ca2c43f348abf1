package population

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/murre-chat/murre/pkg/chat"
)

// Shape is all that a population follows from. It goes over the wire to workers.
type Shape struct {
	Seed   uint64  `json:"seed"`
	Users  int     `json:"users"` // even
	Groups int     `json:"groups"`
	Min    int     `json:"min"`  // members of a group
	Max    int     `json:"max"`  // of a group
	Tail   float64 `json:"tail"` // exponent of the Pareto distribution of their sizes
	Made   int64   `json:"made"` // when everybody was loaded, Unix ms
}

// Population answers who is who. It is safe for concurrent use.
type Population struct {
	Shape
	pairs  permutation // user ↔ place: places 2k and 2k+1 write to each other
	crowds permutation // user ↔ place: a group is a stretch of places
}

// New makes the population of a shape.
func New(s Shape) *Population {
	return &Population{Shape: s, pairs: newPermutation(s.Users, mix(s.Seed^1)), crowds: newPermutation(s.Users, mix(s.Seed^2))}
}

// Kinds of things that have ids.
const (
	ofUser = iota + 1
	ofDevice
	ofGroup
	ofStretch
	ofSize
	ofName
)

func (p *Population) hash(kind, i int) uint64 {
	return mix(mix(p.Seed^uint64(kind)<<56) ^ uint64(i))
}

// uuid is a UUID of version 8.
func (p *Population) uuid(kind, i int) (b [16]byte) {
	h := p.hash(kind, i)
	binary.BigEndian.PutUint64(b[:], h)
	binary.BigEndian.PutUint64(b[8:], mix(h^uint64(i)))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return b
}

// User is the id of user i.
func (p *Population) User(i int) chat.UserID { return p.uuid(ofUser, i) }

// Device is the id of the one device of user i.
func (p *Population) Device(i int) chat.DeviceID { return p.uuid(ofDevice, i) }

// Subject is what user i's tokens say.
func (p *Population) Subject(i int) string { return fmt.Sprintf("load-%x-%d", p.Seed, i) }

// Username is the name of user i. Names begin with letters of all kinds: no index gets all of them under one prefix.
func (p *Population) Username(i int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	h := p.hash(ofName, i)
	var b [5]byte
	for k := range b {
		b[k] = letters[h%26]
		h /= 26
	}
	return string(b[:]) + "_" + strconv.FormatUint(p.Seed%(1<<20), 36) + "_" + strconv.Itoa(i)
}

// Place is where a user stands in the order of pairs: the one beside them, at Place^1, is who they write to.
func (p *Population) Place(user int) int { return p.pairs.at(user) }

// At is the user at a place.
func (p *Population) At(place int) int { return p.pairs.of(place) }

// Partner is whom user i writes to, who writes to them.
func (p *Population) Partner(i int) int { return p.pairs.of(p.pairs.at(i) ^ 1) }

// Conversations is how many there are: first the direct ones, one a pair, then the groups.
func (p *Population) Conversations() int { return p.Users/2 + p.Groups }

// Pairs is how many direct conversations there are.
func (p *Population) Pairs() int { return p.Users / 2 }

// DirectOf is the number of user i's direct conversation.
func (p *Population) DirectOf(i int) int { return p.pairs.at(i) / 2 }

// GroupConversation is the conversation's number of group g.
func (p *Population) GroupConversation(g int) int { return p.Pairs() + g }

// IsGroup reports whether a conversation is a group.
func (p *Population) IsGroup(conv int) bool { return conv >= p.Pairs() }

// Conversation is the id of conversation c.
func (p *Population) Conversation(c int) chat.ConversationID {
	if c < p.Pairs() {
		return chat.DirectID(p.User(p.pairs.of(2*c)), p.User(p.pairs.of(2*c+1)))
	}
	return p.uuid(ofGroup, c-p.Pairs())
}

// Size is how many members conversation c has.
func (p *Population) Size(c int) int {
	if c < p.Pairs() {
		return 2
	}
	// The inverse of a Pareto distribution bounded by Min and Max, whose upper end is open.
	u := float64(p.hash(ofSize, c)>>11) / (1 << 53)
	lo, hi := float64(p.Min), float64(p.Max+1)
	x := lo * math.Pow(1-u*(1-math.Pow(lo/hi, p.Tail)), -1/p.Tail)
	return min(max(int(x), p.Min), p.Max)
}

// Member is the k-th member of conversation c, as a user's number; k is below Size.
func (p *Population) Member(c, k int) int {
	if c < p.Pairs() {
		return p.pairs.of(2*c + k)
	}
	return p.crowds.of((p.stretch(c) + k) % p.Users)
}

// stretch is the first place of a group.
func (p *Population) stretch(c int) int { return int(p.hash(ofStretch, c) % uint64(p.Users)) }

// Holds reports whether user i is a member of conversation c. A number that is no conversation's or no user's is none.
func (p *Population) Holds(c, i int) bool {
	switch {
	case c < 0 || c >= p.Conversations() || i < 0 || i >= p.Users:
		return false
	case c < p.Pairs():
		return p.pairs.at(i)/2 == c
	}
	return (p.crowds.at(i)-p.stretch(c)+p.Users)%p.Users < p.Size(c)
}

// Memberships are the groups of a stretch of users.
type Memberships struct {
	from   int
	start  []uint32
	groups []uint32
}

// Memberships gathers the groups of users from..to-1: 4 bytes a user, and 4 a membership.
func (p *Population) Memberships(from, to int) *Memberships {
	m := &Memberships{from: from, start: make([]uint32, to-from+1)}
	each := func(do func(user, group int)) {
		for g := range p.Groups {
			c := p.GroupConversation(g)
			at, size := p.stretch(c), p.Size(c)
			for k := range size {
				if u := p.crowds.of((at + k) % p.Users); u >= from && u < to {
					do(u-from, g)
				}
			}
		}
	}
	each(func(user, _ int) { m.start[user+1]++ })
	for i := range m.start[1:] {
		m.start[i+1] += m.start[i]
	}
	m.groups = make([]uint32, m.start[to-from])
	next := append([]uint32(nil), m.start...)
	each(func(user, group int) {
		m.groups[next[user]] = uint32(group)
		next[user]++
	})
	return m
}

// Of are the groups of a user of the stretch. Don't change them.
func (m *Memberships) Of(user int) []uint32 {
	return m.groups[m.start[user-m.from]:m.start[user-m.from+1]]
}
