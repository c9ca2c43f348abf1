package chat

import "crypto/sha256"

// Kind of a conversation.
type Kind uint8

// The kinds.
const (
	Direct Kind = iota + 1
	Group
	Channel
)

var kinds = [...]string{"", "direct", "group", "channel"}

// String returns the protocol's name.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return ""
}

// ParseKind reads the protocol's name.
func ParseKind(s string) (Kind, bool) {
	for i := 1; i < len(kinds); i++ {
		if kinds[i] == s {
			return Kind(i), true
		}
	}
	return 0, false
}

// Role of a member.
type Role uint8

// The roles.
const (
	RoleMember Role = iota + 1
	RoleAdmin
)

// String returns the protocol's name.
func (r Role) String() string {
	switch r {
	case RoleMember:
		return "member"
	case RoleAdmin:
		return "admin"
	}
	return ""
}

// ParseRole reads the protocol's name.
func ParseRole(s string) (Role, bool) {
	switch s {
	case "member":
		return RoleMember, true
	case "admin":
		return RoleAdmin, true
	}
	return 0, false
}

// Conversation is what is stored of a conversation itself.
type Conversation struct {
	ID        ConversationID
	Kind      Kind
	Name      string
	Avatar    MediaID
	CreatedBy UserID
	CreatedAt int64
}

// NotLeft is the LeftID of a member who never left.
const NotLeft MessageID = -1

// Member is one row of a conversation's membership; rows are never deleted.
type Member struct {
	User     UserID
	Role     Role
	JoinedAt int64     // Unix milliseconds
	JoinedID MessageID // 0 in direct conversations
	LeftID   MessageID // NotLeft until the first leave
}

// Active reports whether the user is a member now.
func (m Member) Active() bool { return m.JoinedID > m.LeftID }

// Holds reports whether the member's interval holds a message: sent after the join and, once left, before the leave.
func (m Member) Holds(msg MessageID) bool {
	if m.Active() {
		return msg > m.JoinedID
	}
	return msg > m.JoinedID && msg <= m.LeftID
}

// Membership is a conversation with its members at one version. It is shared between readers: never change one.
type Membership struct {
	Conversation Conversation
	Version      int64
	Members      []Member // sorted by user id; for channels only the rows asked for
}

// Find returns the row of a user, active or not.
func (m *Membership) Find(u UserID) (Member, bool) {
	lo, hi := 0, len(m.Members)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if m.Members[mid].User.Compare(u) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(m.Members) && m.Members[lo].User == u {
		return m.Members[lo], true
	}
	return Member{}, false
}

// ChannelLog is the owner of a channel's log. A channel has one log for all its members, kept among the users' under the
// channel's own id, in place of a row for each member.
func ChannelLog(c ConversationID) UserID { return UserID(c) }

// DirectID derives the id of the direct conversation of two users, whichever is named first. It is a UUID of version 8.
func DirectID(a, b UserID) ConversationID {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	h := sha256.New()
	h.Write([]byte("murre direct\x00"))
	h.Write(a[:])
	h.Write(b[:])
	var c ConversationID
	copy(c[:], h.Sum(nil))
	c[6] = c[6]&0x0f | 0x80
	c[8] = c[8]&0x3f | 0x80
	return c
}
