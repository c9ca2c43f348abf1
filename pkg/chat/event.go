package chat

// EventKind says what an inbox event refers to.
type EventKind uint8

// The kinds of durable events.
const (
	EventMessage EventKind = iota + 1
	EventEdit
	EventDelete
	EventReaction
	EventConversation // created, renamed, members, roles; Event.Change says which
)

// Change says what a conversation event announces.
type Change uint8

// The changes of a conversation.
const (
	ChangeCreated Change = iota + 1
	ChangeRenamed
	ChangeMemberAdded
	ChangeMemberRemoved
	ChangeMemberRole
	ChangeLeft
)

var changes = [...]string{"", "created", "renamed", "member_added", "member_removed", "member_role", "left"}

// String returns the protocol's name of the change.
func (c Change) String() string {
	if int(c) < len(changes) {
		return changes[c]
	}
	return ""
}

// Event is one row of a user's inbox log. It refers, it does not carry content: the message row is the truth.
type Event struct {
	ID           EventID
	Kind         EventKind
	Change       Change // of an EventConversation
	Conversation ConversationID
	Message      MessageID // the message concerned; for conversation events the id of the change itself
	Actor        UserID    // who wrote, edited, deleted, reacted or changed
	Subject      UserID    // whom a membership change is about
}
