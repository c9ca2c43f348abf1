package chat

// Limits of what people may send. Counts of text are Unicode code points.
const (
	MaxContent        = 10_000
	MaxGroupMembers   = 256
	MaxDevices        = 10
	MaxEmoji          = 32
	MaxName           = 100
	MaxDisplayName    = 64
	MaxPresenceUsers  = 100
	MaxAckIDs         = 500
	MaxHistory        = 100
	DefaultHistory    = 50
	MaxBatch          = 50
	MaxUnreadCount    = 100
	MinPassword       = 10
	MaxPassword       = 128
	MinUsername       = 3
	MaxUsername       = 32
	MaxChannelMembers = 1_000_000
)

// ContentType says what a message carries.
type ContentType uint8

// The content types; the zero value is not valid.
const (
	Text ContentType = iota + 1
	Image
	Video
	File
)

var contentTypes = [...]string{"", "text", "image", "video", "file"}

// String returns the protocol's name of the type.
func (c ContentType) String() string {
	if int(c) < len(contentTypes) {
		return contentTypes[c]
	}
	return ""
}

// ParseContentType reads the protocol's name.
func ParseContentType(s string) (ContentType, bool) {
	for i := 1; i < len(contentTypes); i++ {
		if contentTypes[i] == s {
			return ContentType(i), true
		}
	}
	return 0, false
}

// Message is one message as stored, with what reads add to it.
type Message struct {
	ID              MessageID
	Conversation    ConversationID
	Sender          UserID
	ClientMessageID ClientMessageID
	ContentType     ContentType
	Content         string // exactly what the sender wrote; empty when Deleted
	MediaID         MediaID
	ReplyTo         MessageID
	Version         MessageID // id of the edit shown; 0 = never edited. The larger wins.
	EditedAt        int64     // Unix milliseconds, 0 = never
	Deleted         bool

	// Filled by the service on reads, never stored in the message row.
	Media     *Media
	Reactions []Reaction
	Status    Status // for the sender's eyes; 0 = unknown
}

// Reaction is one member's reaction to a message; one a member a message.
type Reaction struct {
	User  UserID
	Emoji string
	At    MessageID // id made when it was set; the larger wins
}

// Status of a message as its sender sees it; it only moves forward.
type Status uint8

// The statuses.
const (
	Sent Status = iota + 1
	Delivered
	Read
)

// String returns the protocol's name.
func (s Status) String() string {
	switch s {
	case Sent:
		return "sent"
	case Delivered:
		return "delivered"
	case Read:
		return "read"
	}
	return ""
}

// Receipt is a member's watermarks in a conversation: everything up to DeliveredTo reached a device of theirs,
// everything up to ReadTo was read.
type Receipt struct {
	User        UserID
	DeliveredTo MessageID
	ReadTo      MessageID
}

// Media describes a blob.
type Media struct {
	ID           MediaID
	Owner        UserID
	Conversation ConversationID // zero for an avatar
	Avatar       bool
	ContentType  string // MIME type
	Size         int64  // bytes
	Name         string
	SHA256       [32]byte
	Width        int // pixels, 0 = unknown
	Height       int
	Thumb        bool // a thumbnail exists
	Ready        bool // the upload is complete
	CreatedAt    int64
}
