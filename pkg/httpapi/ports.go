package httpapi

import (
	"context"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/inbox"
	"github.com/murre-chat/murre/pkg/service"
)

// Accounts signs people up, in and out.
type Accounts interface {
	Register(ctx context.Context, r auth.Registration, c auth.Client) (chat.User, string, error)
	Login(ctx context.Context, username, password string, c auth.Client) (chat.User, string, error)
	Logout(ctx context.Context, id auth.Identity) error
	Authenticate(ctx context.Context, token string) (auth.Identity, error)
	User(ctx context.Context, user chat.UserID) (chat.User, error)
	ChangeProfile(ctx context.Context, user chat.UserID, c auth.ProfileChange) (chat.User, error)
	ChangePassword(ctx context.Context, user chat.UserID, keep [32]byte, current, next string) error
}

// Sessions are a user's sign-ins.
type Sessions interface {
	Sessions(ctx context.Context, user chat.UserID) ([]chat.Session, error)
	Revoke(ctx context.Context, user chat.UserID, session [32]byte) error
	RevokeAll(ctx context.Context, user chat.UserID, keep [32]byte) error
}

// Messages are the use cases of messages.
type Messages interface {
	Send(ctx context.Context, c service.Caller, r service.SendRequest) (service.SendResult, error)
	Message(ctx context.Context, c service.Caller, conv chat.ConversationID, msg chat.MessageID) (chat.Message, error)
	History(ctx context.Context, c service.Caller, r service.HistoryRequest) (service.HistoryPage, error)
	Edit(ctx context.Context, c service.Caller, conv chat.ConversationID, msg chat.MessageID, content string) (chat.Message, chat.EventID, error)
	Delete(ctx context.Context, c service.Caller, conv chat.ConversationID, msg chat.MessageID) (chat.Message, chat.EventID, error)
	React(ctx context.Context, c service.Caller, conv chat.ConversationID, msg chat.MessageID, emoji string) (chat.Reaction, chat.EventID, error)
}

// Receipts are the use cases of who received and read what.
type Receipts interface {
	Receipts(ctx context.Context, c service.Caller, conv chat.ConversationID, since chat.MessageID) ([]chat.Receipt, error)
	MessageReceipts(ctx context.Context, c service.Caller, conv chat.ConversationID, msg chat.MessageID) ([]chat.Receipt, error)
}

// Conversations are the use cases of conversations.
type Conversations interface {
	Conversations(ctx context.Context, c service.Caller, cursor string, limit int) (service.ConversationPage, error)
	Conversation(ctx context.Context, c service.Caller, conv chat.ConversationID) (service.ConversationView, error)
	CreateConversation(ctx context.Context, c service.Caller, r service.CreateConversation) (service.ConversationView, bool, error)
	ChangeConversation(ctx context.Context, c service.Caller, conv chat.ConversationID, p service.ConversationPatch) (service.ConversationView, error)
	SetPreferences(ctx context.Context, c service.Caller, conv chat.ConversationID, muted, archived *bool) error
}

// Members are the use cases of membership.
type Members interface {
	Members(ctx context.Context, c service.Caller, conv chat.ConversationID, after chat.UserID, limit int) ([]service.Participant, bool, error)
	AddMembers(ctx context.Context, c service.Caller, conv chat.ConversationID, users []chat.UserID) (service.ConversationView, error)
	SetRole(ctx context.Context, c service.Caller, conv chat.ConversationID, user chat.UserID, role chat.Role) error
	RemoveMember(ctx context.Context, c service.Caller, conv chat.ConversationID, user chat.UserID) error
}

// People are the use cases of other users.
type People interface {
	UsersSearch(ctx context.Context, c service.Caller, query string, limit int) ([]chat.User, error)
	User(ctx context.Context, c service.Caller, id chat.UserID) (chat.User, error)
	PresenceOf(ctx context.Context, c service.Caller, users []chat.UserID) ([]chat.Presence, error)
	Blocks(ctx context.Context, c service.Caller) ([]chat.User, error)
	Block(ctx context.Context, c service.Caller, user chat.UserID) error
	Unblock(ctx context.Context, c service.Caller, user chat.UserID) error
}

// Devices are the use cases of a user's own devices.
type Devices interface {
	Devices(ctx context.Context, c service.Caller) ([]chat.Device, error)
	RemoveDevice(ctx context.Context, c service.Caller, device chat.DeviceID) error
}

// MediaCatalog describes blobs and says who may see them.
type MediaCatalog interface {
	NewMedia(ctx context.Context, c service.Caller, r service.MediaRequest) (chat.Media, error)
	FinishMedia(ctx context.Context, c service.Caller, m chat.Media) (chat.Media, error)
	MediaFor(ctx context.Context, c service.Caller, id chat.MediaID) (chat.Media, error)
}

// UseCases are all that REST calls.
type UseCases interface {
	Messages
	Receipts
	Conversations
	Members
	People
	Devices
	MediaCatalog
}

// Inbox is the pending log over HTTP.
type Inbox interface {
	Sync(ctx context.Context, user chat.UserID, after chat.EventID, limit int) (inbox.Page, error)
}

// Limiter counts what has a rate limit.
type Limiter interface {
	Allow(ctx context.Context, l admit.Limit, key [16]byte) (time.Duration, error)
}
