package httpapi

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
	"github.com/murre-chat/murre/pkg/service"
)

// Time is shown as RFC 3339 in UTC with milliseconds; it holds Unix milliseconds, and 0 is "none".
type Time int64

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) { return protocol.AppendTime(nil, int64(t)), nil }

// Schema implements huma.SchemaProvider.
func (Time) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Description: "RFC 3339, UTC, milliseconds"}
}

// User is an account as others see it.
type User struct {
	ID          string `json:"id" format:"uuid"`
	Username    string `json:"username"`
	DisplayName string `json:"displayName"`
	AvatarURL   string `json:"avatarUrl,omitempty" doc:"Path of this server"`
	LastSeen    Time   `json:"lastSeen,omitzero"`
}

func userView(u *chat.User) User {
	v := User{ID: u.ID.String(), Username: u.Username, DisplayName: u.DisplayName, LastSeen: Time(u.LastSeen)}
	if !u.Avatar.IsZero() {
		v.AvatarURL = protocol.MediaPath(u.Avatar)
	}
	return v
}

func userViews(us []chat.User) []User {
	out := make([]User, 0, len(us))
	for i := range us {
		out = append(out, userView(&us[i]))
	}
	return out
}

// Participant is a member of a conversation.
type Participant struct {
	UserID      string `json:"userId" format:"uuid"`
	Username    string `json:"username"`
	DisplayName string `json:"displayName"`
	AvatarURL   string `json:"avatarUrl,omitempty"`
	Role        string `json:"role" enum:"admin,member"`
	JoinedAt    Time   `json:"joinedAt,omitzero"`
}

func participantViews(ps []service.Participant) []Participant {
	out := make([]Participant, 0, len(ps))
	for i := range ps {
		u := userView(&ps[i].User)
		out = append(out, Participant{
			UserID: u.ID, Username: u.Username, DisplayName: u.DisplayName, AvatarURL: u.AvatarURL,
			Role: ps[i].Role.String(), JoinedAt: Time(ps[i].JoinedAt),
		})
	}
	return out
}

// Conversation is a conversation as the caller sees it.
type Conversation struct {
	ID               string        `json:"id" format:"uuid"`
	Type             string        `json:"type" enum:"direct,group,channel"`
	Name             string        `json:"name" doc:"Empty for direct conversations"`
	AvatarURL        string        `json:"avatarUrl,omitempty"`
	Participants     []Participant `json:"participants" nullable:"false" doc:"All members; of a channel the caller only, see …/members"`
	ParticipantCount int           `json:"participantCount"`
	LastMessage      *Message      `json:"lastMessage,omitempty"`
	UnreadCount      int           `json:"unreadCount" doc:"At most 100"`
	UpdatedAt        Time          `json:"updatedAt"`
	CreatedAt        Time          `json:"createdAt"`
	Muted            bool          `json:"muted"`
	Archived         bool          `json:"archived"`
}

func conversationView(c *service.ConversationView, me chat.UserID) Conversation {
	v := Conversation{
		ID: c.ID.String(), Type: c.Kind.String(), Name: c.Name, Participants: participantViews(c.Participants),
		ParticipantCount: c.ParticipantCount, UnreadCount: c.Unread, UpdatedAt: Time(c.UpdatedAt), CreatedAt: Time(c.CreatedAt),
		Muted: c.Muted, Archived: c.Archived,
	}
	if !c.Avatar.IsZero() {
		v.AvatarURL = protocol.MediaPath(c.Avatar)
	}
	if c.LastMessage != nil {
		m := messageView(c.LastMessage, me)
		v.LastMessage = &m
	}
	return v
}

// Reaction is one member's reaction to a message.
type Reaction struct {
	UserID string `json:"userId" format:"uuid"`
	Emoji  string `json:"emoji"`
}

// Message is one message.
type Message struct {
	ID              string     `json:"id" doc:"13 characters; sorts as text in the order of the conversation"`
	ConversationID  string     `json:"conversationId" format:"uuid"`
	SenderID        string     `json:"senderId" format:"uuid"`
	Content         string     `json:"content" doc:"Exactly as it was sent; empty when deleted"`
	ContentType     string     `json:"contentType" enum:"text,image,video,file"`
	Media           *Media     `json:"media,omitempty"`
	ReplyToID       string     `json:"replyToId,omitempty"`
	Reactions       []Reaction `json:"reactions,omitempty" nullable:"false"`
	CreatedAt       Time       `json:"createdAt"`
	EditedAt        Time       `json:"editedAt,omitzero"`
	Deleted         bool       `json:"deleted,omitempty"`
	ClientMessageID string     `json:"clientMessageId,omitempty" doc:"To its sender"`
	Status          string     `json:"status,omitempty" enum:"sent,delivered,read" doc:"To its sender; in a group the lowest over the members"`
}

func messageView(m *chat.Message, me chat.UserID) Message {
	v := Message{
		ID: m.ID.String(), ConversationID: m.Conversation.String(), SenderID: m.Sender.String(), Content: m.Content,
		ContentType: m.ContentType.String(), CreatedAt: Time(m.ID.Time().UnixMilli()), EditedAt: Time(m.EditedAt), Deleted: m.Deleted,
	}
	if m.Media != nil {
		media := mediaView(m.Media)
		v.Media = &media
	}
	if m.ReplyTo != 0 {
		v.ReplyToID = m.ReplyTo.String()
	}
	for _, r := range m.Reactions {
		v.Reactions = append(v.Reactions, Reaction{UserID: r.User.String(), Emoji: r.Emoji})
	}
	if m.Sender == me {
		if !m.ClientMessageID.IsZero() {
			v.ClientMessageID = m.ClientMessageID.String()
		}
		v.Status = m.Status.String()
	}
	return v
}

// Media describes a blob.
type Media struct {
	ID          string `json:"id"`
	ContentType string `json:"contentType"`
	Size        int64  `json:"size" doc:"Bytes"`
	Name        string `json:"name"`
	Width       int    `json:"width,omitempty" doc:"Pixels, as shown upright"`
	Height      int    `json:"height,omitempty"`
	ThumbURL    string `json:"thumbUrl,omitempty"`
	URL         string `json:"url"`
}

func mediaView(m *chat.Media) Media {
	v := Media{ID: m.ID.String(), ContentType: m.ContentType, Size: m.Size, Name: m.Name, Width: m.Width, Height: m.Height, URL: protocol.MediaPath(m.ID)}
	if m.Thumb {
		v.ThumbURL = protocol.ThumbPath(m.ID)
	}
	return v
}

// Receipt says how far a member's devices have received and the member has read.
type Receipt struct {
	UserID      string `json:"userId" format:"uuid"`
	DeliveredTo string `json:"deliveredTo,omitempty" doc:"Message id: this and all before it; absent: nothing yet"`
	ReadTo      string `json:"readTo,omitempty" doc:"Message id: this and all before it; absent: nothing yet"`
}

// ReceiptList are the members' receipts.
type ReceiptList struct {
	Receipts []Receipt `json:"receipts" nullable:"false"`
}

func receiptViews(rs []chat.Receipt) ReceiptList {
	out := ReceiptList{Receipts: make([]Receipt, 0, len(rs))}
	for _, r := range rs {
		v := Receipt{UserID: r.User.String()}
		if r.DeliveredTo != 0 {
			v.DeliveredTo = r.DeliveredTo.String()
		}
		if r.ReadTo != 0 {
			v.ReadTo = r.ReadTo.String()
		}
		out.Receipts = append(out.Receipts, v)
	}
	return out
}

// Session is one sign-in.
type Session struct {
	ID        string `json:"id"`
	CreatedAt Time   `json:"createdAt"`
	SeenAt    Time   `json:"seenAt"`
	ExpiresAt Time   `json:"expiresAt"`
	UserAgent string `json:"userAgent"`
	Address   string `json:"address"`
	Current   bool   `json:"current" doc:"The one that asks"`
}

func sessionView(s *chat.Session, current [32]byte) Session {
	return Session{
		ID: auth.SessionID(s.TokenHash), CreatedAt: Time(s.CreatedAt), SeenAt: Time(s.SeenAt), ExpiresAt: Time(s.Expires),
		UserAgent: s.UserAgent, Address: s.Address, Current: s.TokenHash == current,
	}
}

// Device is one installation of a client.
type Device struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Kind      string `json:"kind,omitempty"`
	CreatedAt Time   `json:"createdAt"`
	SeenAt    Time   `json:"seenAt"`
}
