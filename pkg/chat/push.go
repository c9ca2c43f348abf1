package chat

// PushKind says which of a Push's parts is set.
type PushKind uint8

// The kinds of pushes. The first five are durable (they have an EventID), the others best effort.
const (
	PushMessage PushKind = iota + 1
	PushEdit
	PushDelete
	PushReaction
	PushConversation
	PushStatus
	PushTyping
	PushPresence
	PushControl
)

// Push is one thing to show live on the devices of Recipients. The gateway that holds them encodes it once.
type Push struct {
	Kind       PushKind
	Recipients []UserID
	// ExceptDevice is left out: the device whose own request this is (it is answered on its connection).
	ExceptDevice DeviceID
	// Channel: an event of a channel's own log (see ChannelLog); it goes to every connected member, Recipients is empty.
	Channel bool
	// OnlyDevice, when set, is the single device concerned (control pushes).
	OnlyDevice DeviceID
	// Event is the inbox event of a durable push, with its id; zero id when a recipient has no row for it.
	Event Event

	Message      *Message            // message, edit, delete
	Reaction     *Reaction           // reaction (empty emoji: removed)
	Conversation *ConversationChange // conversation
	Status       *StatusChange
	Typing       *Typing
	Presence     *Presence
	Control      *Control
}

// ConversationChange is what a conversation push says.
type ConversationChange struct {
	Conversation Conversation
	Change       Change
	Subject      UserID
	Role         Role
	At           int64
}

// StatusChange says that a member's devices received, or the member read, messages.
type StatusChange struct {
	Conversation ConversationID
	User         UserID // who received or read
	Status       Status
	Messages     []MessageID // delivered: exactly these; read: one id, everything up to it
	At           int64
}

// Typing says that a member started or stopped typing.
type Typing struct {
	Conversation ConversationID
	User         UserID
	Username     string
	On           bool
}

// Presence says whether a user is online.
type Presence struct {
	User     UserID
	Online   bool
	LastSeen int64 // Unix milliseconds, 0 = unknown
}

// ControlKind says what a gateway must do to connections.
type ControlKind uint8

// The control pushes.
const (
	ControlRevoked    ControlKind = iota + 1 // close with 4002 the sockets of Session, or of OnlyDevice, or of the user
	ControlReplaced                          // close with 4001 an older connection of OnlyDevice
	ControlInvalidate                        // drop the cached membership of Conversation
	ControlNewDevice                         // drop the cached device list of the recipients
	ControlProfile                           // drop the cached names and pictures of the recipients
	ControlBlock                             // drop what is cached of whom the event's actor blocked
	ControlReleased                          // OnlyDevice's older connection has ended and stored what it acked: Seq may go on
)

// Control is an order to gateways, never shown to a client.
type Control struct {
	Kind         ControlKind
	Session      [32]byte // token hash; zero = all
	Conversation ConversationID
	KeepSession  [32]byte // not closed when all sessions of a user are revoked
	// Seq, of ControlReplaced: the connect sequence of the newer connection; only older ones are closed. 0: any.
	Seq int64
	// Gateway and Epoch, of ControlReplaced: who asks, and is to be told when the older connection has stored what it acked.
	Gateway string
	Epoch   int64
}
