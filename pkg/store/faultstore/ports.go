package faultstore

import (
	"context"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// Wrap returns a store whose calls go through the faults. Horizon, KeptSince and Close never fail.
func (f *Faults) Wrap(s store.Store) store.Store {
	return store.Store{
		Messages:      messages{s.Messages, f},
		Inbox:         inbox{s.Inbox, f},
		Claims:        claims{s.Claims, f},
		Devices:       devices{s.Devices, f},
		Channels:      channelCursors{s.Channels, f},
		Conversations: conversations{s.Conversations, f},
		Members:       members{s.Members, f},
		Listing:       listing{s.Listing, f},
		Watermarks:    watermarks{s.Watermarks, f},
		Users:         users{s.Users, f},
		Sessions:      sessions{s.Sessions, f},
		Blocks:        blocks{s.Blocks, f},
		Media:         media{s.Media, f},
		Changes:       changes{s.Changes, f},
		Leases:        leases{s.Leases, f},
		Engine:        engine{s.Engine, f},
	}
}

type messages struct {
	store.Messages
	f *Faults
}

func (p messages) Append(ctx context.Context, a *store.Append) (chat.EventID, error) {
	return call(ctx, p.f, "Messages.Append", func() (chat.EventID, error) { return p.Messages.Append(ctx, a) })
}

func (p messages) Message(ctx context.Context, ref store.Ref) (chat.Message, error) {
	return call(ctx, p.f, "Messages.Message", func() (chat.Message, error) { return p.Messages.Message(ctx, ref) })
}

func (p messages) Batch(ctx context.Context, refs []store.Ref) ([]chat.Message, error) {
	return call(ctx, p.f, "Messages.Batch", func() ([]chat.Message, error) { return p.Messages.Batch(ctx, refs) })
}

func (p messages) History(ctx context.Context, h store.History) ([]chat.Message, error) {
	return call(ctx, p.f, "Messages.History", func() ([]chat.Message, error) { return p.Messages.History(ctx, h) })
}

func (p messages) Update(ctx context.Context, u store.Update) (chat.Message, chat.EventID, error) {
	var second chat.EventID
	first, err := call(ctx, p.f, "Messages.Update", func() (out chat.Message, err error) {
		out, second, err = p.Messages.Update(ctx, u)
		return out, err
	})
	if err != nil {
		var none chat.EventID
		return first, none, err
	}
	return first, second, nil
}

func (p messages) React(ctx context.Context, r store.React) (chat.EventID, error) {
	return call(ctx, p.f, "Messages.React", func() (chat.EventID, error) { return p.Messages.React(ctx, r) })
}

func (p messages) Bury(ctx context.Context, ref store.Ref) error {
	_, err := call(ctx, p.f, "Messages.Bury", func() (struct{}, error) { return struct{}{}, p.Messages.Bury(ctx, ref) })
	return err
}

type inbox struct {
	store.Inbox
	f *Faults
}

func (p inbox) Append(ctx context.Context, f store.Fanout) (chat.EventID, error) {
	return call(ctx, p.f, "Inbox.Append", func() (chat.EventID, error) { return p.Inbox.Append(ctx, f) })
}

func (p inbox) Read(ctx context.Context, user chat.UserID, after chat.EventID, limit int) (store.LogPage, error) {
	return call(ctx, p.f, "Inbox.Read", func() (store.LogPage, error) { return p.Inbox.Read(ctx, user, after, limit) })
}

type claims struct {
	store.Claims
	f *Faults
}

func (p claims) Get(ctx context.Context, user chat.UserID, key chat.ClientMessageID) (store.Claim, error) {
	return call(ctx, p.f, "Claims.Get", func() (store.Claim, error) { return p.Claims.Get(ctx, user, key) })
}

func (p claims) PutIfAbsent(ctx context.Context, c store.Claim) (store.Claim, error) {
	return call(ctx, p.f, "Claims.PutIfAbsent", func() (store.Claim, error) { return p.Claims.PutIfAbsent(ctx, c) })
}

func (p claims) Move(ctx context.Context, c store.Claim, from chat.MessageID) error {
	_, err := call(ctx, p.f, "Claims.Move", func() (struct{}, error) { return struct{}{}, p.Claims.Move(ctx, c, from) })
	return err
}

type devices struct {
	store.Devices
	f *Faults
}

func (p devices) List(ctx context.Context, user chat.UserID) ([]chat.Device, error) {
	return call(ctx, p.f, "Devices.List", func() ([]chat.Device, error) { return p.Devices.List(ctx, user) })
}

func (p devices) Get(ctx context.Context, user chat.UserID, device chat.DeviceID) (chat.Device, error) {
	return call(ctx, p.f, "Devices.Get", func() (chat.Device, error) { return p.Devices.Get(ctx, user, device) })
}

func (p devices) Put(ctx context.Context, d chat.Device) error {
	_, err := call(ctx, p.f, "Devices.Put", func() (struct{}, error) { return struct{}{}, p.Devices.Put(ctx, d) })
	return err
}

func (p devices) SetCursor(ctx context.Context, user chat.UserID, device chat.DeviceID, to chat.EventID, back bool) error {
	_, err := call(ctx, p.f, "Devices.SetCursor", func() (struct{}, error) { return struct{}{}, p.Devices.SetCursor(ctx, user, device, to, back) })
	return err
}

func (p devices) SaveAcks(ctx context.Context, user chat.UserID, device chat.DeviceID, base chat.EventID, beyond []chat.EventID) error {
	_, err := call(ctx, p.f, "Devices.SaveAcks", func() (struct{}, error) { return struct{}{}, p.Devices.SaveAcks(ctx, user, device, base, beyond) })
	return err
}

func (p devices) Delete(ctx context.Context, user chat.UserID, device chat.DeviceID) error {
	_, err := call(ctx, p.f, "Devices.Delete", func() (struct{}, error) { return struct{}{}, p.Devices.Delete(ctx, user, device) })
	return err
}

type channelCursors struct {
	store.ChannelCursors
	f *Faults
}

func (p channelCursors) ChannelCursor(ctx context.Context, user chat.UserID, device chat.DeviceID, c chat.ConversationID) (chat.EventID, error) {
	return call(ctx, p.f, "Channels.ChannelCursor", func() (chat.EventID, error) { return p.ChannelCursors.ChannelCursor(ctx, user, device, c) })
}

func (p channelCursors) SetChannelCursor(ctx context.Context, user chat.UserID, device chat.DeviceID, c chat.ConversationID, to chat.EventID) error {
	_, err := call(ctx, p.f, "Channels.SetChannelCursor", func() (struct{}, error) {
		return struct{}{}, p.ChannelCursors.SetChannelCursor(ctx, user, device, c, to)
	})
	return err
}

type conversations struct {
	store.Conversations
	f *Faults
}

func (p conversations) Get(ctx context.Context, c chat.ConversationID) (chat.Conversation, error) {
	return call(ctx, p.f, "Conversations.Get", func() (chat.Conversation, error) { return p.Conversations.Get(ctx, c) })
}

type members struct {
	store.Members
	f *Faults
}

func (p members) Membership(ctx context.Context, c chat.ConversationID) (*chat.Membership, error) {
	return call(ctx, p.f, "Members.Membership", func() (*chat.Membership, error) { return p.Members.Membership(ctx, c) })
}

func (p members) Member(ctx context.Context, c chat.ConversationID, u chat.UserID) (chat.Member, error) {
	return call(ctx, p.f, "Members.Member", func() (chat.Member, error) { return p.Members.Member(ctx, c, u) })
}

func (p members) Page(ctx context.Context, c chat.ConversationID, after chat.UserID, limit int) ([]chat.Member, error) {
	return call(ctx, p.f, "Members.Page", func() ([]chat.Member, error) { return p.Members.Page(ctx, c, after, limit) })
}

func (p members) Change(ctx context.Context, m store.MemberChange) (int64, []chat.EventID, error) {
	var second []chat.EventID
	first, err := call(ctx, p.f, "Members.Change", func() (out int64, err error) {
		out, second, err = p.Members.Change(ctx, m)
		return out, err
	})
	if err != nil {
		var none []chat.EventID
		return first, none, err
	}
	return first, second, nil
}

func (p members) CreateDirect(ctx context.Context, c chat.Conversation, a, b chat.UserID) error {
	_, err := call(ctx, p.f, "Members.CreateDirect", func() (struct{}, error) { return struct{}{}, p.Members.CreateDirect(ctx, c, a, b) })
	return err
}

type listing struct {
	store.Listing
	f *Faults
}

func (p listing) Conversations(ctx context.Context, user chat.UserID, after chat.ConversationID, limit int) ([]store.ListedConversation, error) {
	return call(ctx, p.f, "Listing.Conversations", func() ([]store.ListedConversation, error) { return p.Listing.Conversations(ctx, user, after, limit) })
}

func (p listing) Listed(ctx context.Context, user chat.UserID, c chat.ConversationID) (store.ListedConversation, error) {
	return call(ctx, p.f, "Listing.Listed", func() (store.ListedConversation, error) { return p.Listing.Listed(ctx, user, c) })
}

func (p listing) SetPreferences(ctx context.Context, user chat.UserID, l store.ListedConversation) error {
	_, err := call(ctx, p.f, "Listing.SetPreferences", func() (struct{}, error) { return struct{}{}, p.Listing.SetPreferences(ctx, user, l) })
	return err
}

func (p listing) PutHeads(ctx context.Context, heads []store.Head) error {
	_, err := call(ctx, p.f, "Listing.PutHeads", func() (struct{}, error) { return struct{}{}, p.Listing.PutHeads(ctx, heads) })
	return err
}

func (p listing) Heads(ctx context.Context, cs []chat.ConversationID) (map[chat.ConversationID]store.Head, error) {
	return call(ctx, p.f, "Listing.Heads", func() (map[chat.ConversationID]store.Head, error) { return p.Listing.Heads(ctx, cs) })
}

type watermarks struct {
	store.Watermarks
	f *Faults
}

func (p watermarks) Put(ctx context.Context, marks []store.Mark) error {
	_, err := call(ctx, p.f, "Watermarks.Put", func() (struct{}, error) { return struct{}{}, p.Watermarks.Put(ctx, marks) })
	return err
}

func (p watermarks) Get(ctx context.Context, c chat.ConversationID, u chat.UserID) (chat.Receipt, error) {
	return call(ctx, p.f, "Watermarks.Get", func() (chat.Receipt, error) { return p.Watermarks.Get(ctx, c, u) })
}

func (p watermarks) List(ctx context.Context, c chat.ConversationID, after chat.UserID, limit int) ([]chat.Receipt, error) {
	return call(ctx, p.f, "Watermarks.List", func() ([]chat.Receipt, error) { return p.Watermarks.List(ctx, c, after, limit) })
}

type users struct {
	store.Users
	f *Faults
}

func (p users) Create(ctx context.Context, u chat.User) error {
	_, err := call(ctx, p.f, "Users.Create", func() (struct{}, error) { return struct{}{}, p.Users.Create(ctx, u) })
	return err
}

func (p users) Batch(ctx context.Context, ids []chat.UserID) ([]chat.User, error) {
	return call(ctx, p.f, "Users.Batch", func() ([]chat.User, error) { return p.Users.Batch(ctx, ids) })
}

func (p users) ByUsername(ctx context.Context, name string) (chat.User, error) {
	return call(ctx, p.f, "Users.ByUsername", func() (chat.User, error) { return p.Users.ByUsername(ctx, name) })
}

func (p users) ByExternal(ctx context.Context, subject string) (chat.User, error) {
	return call(ctx, p.f, "Users.ByExternal", func() (chat.User, error) { return p.Users.ByExternal(ctx, subject) })
}

func (p users) Search(ctx context.Context, prefix string, limit int) ([]chat.User, error) {
	return call(ctx, p.f, "Users.Search", func() ([]chat.User, error) { return p.Users.Search(ctx, prefix, limit) })
}

func (p users) Update(ctx context.Context, u chat.UserID, c store.UserChange) error {
	_, err := call(ctx, p.f, "Users.Update", func() (struct{}, error) { return struct{}{}, p.Users.Update(ctx, u, c) })
	return err
}

type sessions struct {
	store.Sessions
	f *Faults
}

func (p sessions) Put(ctx context.Context, s chat.Session) error {
	_, err := call(ctx, p.f, "Sessions.Put", func() (struct{}, error) { return struct{}{}, p.Sessions.Put(ctx, s) })
	return err
}

func (p sessions) Get(ctx context.Context, tokenHash [32]byte) (chat.Session, error) {
	return call(ctx, p.f, "Sessions.Get", func() (chat.Session, error) { return p.Sessions.Get(ctx, tokenHash) })
}

func (p sessions) Extend(ctx context.Context, tokenHash [32]byte, seenAt, expires int64) error {
	_, err := call(ctx, p.f, "Sessions.Extend", func() (struct{}, error) { return struct{}{}, p.Sessions.Extend(ctx, tokenHash, seenAt, expires) })
	return err
}

func (p sessions) Delete(ctx context.Context, tokenHash [32]byte) error {
	_, err := call(ctx, p.f, "Sessions.Delete", func() (struct{}, error) { return struct{}{}, p.Sessions.Delete(ctx, tokenHash) })
	return err
}

func (p sessions) List(ctx context.Context, user chat.UserID) ([]chat.Session, error) {
	return call(ctx, p.f, "Sessions.List", func() ([]chat.Session, error) { return p.Sessions.List(ctx, user) })
}

type blocks struct {
	store.Blocks
	f *Faults
}

func (p blocks) Set(ctx context.Context, user, blocked chat.UserID, on bool, at int64) error {
	_, err := call(ctx, p.f, "Blocks.Set", func() (struct{}, error) { return struct{}{}, p.Blocks.Set(ctx, user, blocked, on, at) })
	return err
}

func (p blocks) Has(ctx context.Context, user, blocked chat.UserID) (bool, error) {
	return call(ctx, p.f, "Blocks.Has", func() (bool, error) { return p.Blocks.Has(ctx, user, blocked) })
}

func (p blocks) List(ctx context.Context, user chat.UserID, limit int) ([]chat.UserID, error) {
	return call(ctx, p.f, "Blocks.List", func() ([]chat.UserID, error) { return p.Blocks.List(ctx, user, limit) })
}

type media struct {
	store.Media
	f *Faults
}

func (p media) Put(ctx context.Context, m chat.Media) error {
	_, err := call(ctx, p.f, "Media.Put", func() (struct{}, error) { return struct{}{}, p.Media.Put(ctx, m) })
	return err
}

func (p media) Batch(ctx context.Context, ids []chat.MediaID) ([]chat.Media, error) {
	return call(ctx, p.f, "Media.Batch", func() ([]chat.Media, error) { return p.Media.Batch(ctx, ids) })
}

func (p media) Delete(ctx context.Context, id chat.MediaID) error {
	_, err := call(ctx, p.f, "Media.Delete", func() (struct{}, error) { return struct{}{}, p.Media.Delete(ctx, id) })
	return err
}

func (p media) Unfinished(ctx context.Context, before int64, limit int) ([]chat.Media, error) {
	return call(ctx, p.f, "Media.Unfinished", func() ([]chat.Media, error) { return p.Media.Unfinished(ctx, before, limit) })
}

type changes struct {
	store.Changes
	f *Faults
}

func (p changes) Append(ctx context.Context, entries []store.ChangeEntry) error {
	_, err := call(ctx, p.f, "Changes.Append", func() (struct{}, error) { return struct{}{}, p.Changes.Append(ctx, entries) })
	return err
}

func (p changes) Since(ctx context.Context, after chat.EventID, limit int) ([]store.ChangeEntry, chat.EventID, error) {
	var second chat.EventID
	first, err := call(ctx, p.f, "Changes.Since", func() (out []store.ChangeEntry, err error) {
		out, second, err = p.Changes.Since(ctx, after, limit)
		return out, err
	})
	if err != nil {
		var none chat.EventID
		return first, none, err
	}
	return first, second, nil
}

type leases struct {
	store.Leases
	f *Faults
}

func (p leases) Get(ctx context.Context, dc string, slot int) (store.Lease, error) {
	return call(ctx, p.f, "Leases.Get", func() (store.Lease, error) { return p.Leases.Get(ctx, dc, slot) })
}

func (p leases) Put(ctx context.Context, prev, next store.Lease) error {
	_, err := call(ctx, p.f, "Leases.Put", func() (struct{}, error) { return struct{}{}, p.Leases.Put(ctx, prev, next) })
	return err
}

func (p leases) List(ctx context.Context, dc string) ([]store.Lease, error) {
	return call(ctx, p.f, "Leases.List", func() ([]store.Lease, error) { return p.Leases.List(ctx, dc) })
}

func (p leases) Now(ctx context.Context) (int64, error) {
	return call(ctx, p.f, "Leases.Now", func() (int64, error) { return p.Leases.Now(ctx) })
}

type engine struct {
	store.Engine
	f *Faults
}

func (p engine) Ping(ctx context.Context) error {
	_, err := call(ctx, p.f, "Engine.Ping", func() (struct{}, error) { return struct{}{}, p.Engine.Ping(ctx) })
	return err
}
