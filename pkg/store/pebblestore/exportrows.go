package pebblestore

import (
	"fmt"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/transfer"
)

// rowReader decodes the rows of one table in order. It keeps the conversation it met last, for tables sorted by it.
type rowReader struct {
	x     *Export
	table transfer.Table
	conv  chat.Conversation
}

func (r *rowReader) conversation(c chat.ConversationID) (err error) {
	if r.conv.ID != c || c.IsZero() {
		r.conv, err = r.x.conversationOf(c)
	}
	return err
}

// row decodes one row.
func (r *rowReader) row(key, value []byte) (any, error) {
	if len(key) < 2 {
		return nil, fmt.Errorf("key %x: %w", key, errCorrupt)
	}
	k := key[1:]
	if want := keyLens[r.table]; len(k) != want {
		return nil, fmt.Errorf("key %x: %w", key, errCorrupt)
	}
	switch r.table {
	case transfer.Users:
		return scanUser(value, chat.UserID(k))
	case transfer.Blocks:
		at, err := scanCursor(value)
		return transfer.BlockRow{User: chat.UserID(k[:16]), Blocked: chat.UserID(k[16:]), At: at}, err
	case transfer.Sessions:
		return scanSession(value, [32]byte(k))
	case transfer.Devices:
		return r.device(k, value)
	case transfer.ChannelCursors:
		to, err := scanCursor(value)
		return transfer.ChannelCursorRow{User: chat.UserID(k[:16]), Device: chat.DeviceID(k[16:32]), Channel: chat.ConversationID(k[32:]), To: chat.EventID(to)}, err
	case transfer.Conversations:
		c, err := scanConversation(value, chat.ConversationID(k))
		return transfer.ConversationRow{Conversation: c.Conversation, Version: c.version}, err
	case transfer.Heads:
		return scanHead(value, chat.ConversationID(k))
	case transfer.Marks:
		m, err := scanMark(value, chat.UserID(k[16:]))
		return transfer.MarkRow{Conversation: chat.ConversationID(k[:16]), Receipt: m}, err
	case transfer.Media:
		return scanMedia(value, chat.MediaID(k))
	case transfer.Log:
		e := transfer.LogRow{User: chat.UserID(k[4:20])}
		err := scanEvent(value, lastID[chat.EventID](key), &e.Event)
		return e, err
	case transfer.Claims:
		return scanClaim(value, chat.UserID(k[4:20]), chat.ClientMessageID(k[20:]))
	}
	return r.ofConversation(k, value)
}

// keyLens are the lengths of the tables' keys without the table's byte.
var keyLens = [transfer.Tables]int{
	transfer.Users: 16, transfer.Blocks: 32, transfer.Sessions: 32, transfer.Devices: 33, transfer.ChannelCursors: 48,
	transfer.Conversations: 16, transfer.Members: 32, transfer.Listed: 32, transfer.Heads: 16, transfer.Marks: 32,
	transfer.Media: 16, transfer.Messages: 24, transfer.Reactions: 40, transfer.Log: 28, transfer.Claims: 36,
}

// ofConversation decodes the rows whose place in another store depends on their conversation.
func (r *rowReader) ofConversation(k, value []byte) (any, error) {
	c := chat.ConversationID(k[:16])
	if r.table == transfer.Listed {
		c = chat.ConversationID(k[16:])
	}
	if err := r.conversation(c); err != nil {
		return nil, err
	}
	if r.conv.Kind == 0 {
		return transfer.OrphanRow{Conversation: c}, nil
	}
	switch r.table {
	case transfer.Members:
		m, err := scanMember(value, chat.UserID(k[16:]))
		return transfer.MemberRow{Conversation: c, Kind: r.conv.Kind, Created: r.conv.CreatedAt, Member: m}, err
	case transfer.Listed:
		l, err := scanListed(value, c)
		return transfer.ListedRow{User: chat.UserID(k[:16]), Created: r.conv.CreatedAt, ListedConversation: l}, err
	case transfer.Messages:
		m, _, err := scanMessage(value, c, lastID[chat.MessageID](k))
		return transfer.MessageRow{Kind: r.conv.Kind, Message: m}, err
	case transfer.Reactions:
		re, err := scanReaction(value, chat.UserID(k[24:]))
		return transfer.ReactionRow{Kind: r.conv.Kind, Conversation: c, Message: lastID[chat.MessageID](k[:24]), Reaction: re}, err
	}
	return nil, fmt.Errorf("no rows of table %d", r.table)
}

// device puts the parts of a device together.
func (r *rowReader) device(k, value []byte) (any, error) {
	u, id := chat.UserID(k[:16]), chat.DeviceID(k[16:32])
	d, err := scanDevice(value, u, id)
	if err != nil {
		return nil, err
	}
	cursor, err := r.x.get(deviceKey(nil, u, id, partCursor))
	if err != nil {
		return nil, err
	}
	if cursor != nil {
		n, err := scanCursor(cursor)
		if err != nil {
			return nil, err
		}
		d.AckedTo = chat.EventID(n)
	}
	acks, err := r.x.get(deviceKey(nil, u, id, partAcks))
	if err != nil || acks == nil {
		return d, err
	}
	d.AckedBeyondBase, d.AckedBeyond, err = scanAcks(acks)
	return d, err
}
