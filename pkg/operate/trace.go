package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// Bounds of a trace: the members looked at and the log events read for each.
const (
	maxTraceMembers = 1000
	maxTraceEvents  = 10_000
	tracePage       = 1000
)

// Trace is where a message is: stored when, in whose inbox, delivered to and read by whom. It holds no content.
type Trace struct {
	Message      chat.MessageID       `json:"message"`
	Conversation chat.ConversationID  `json:"conversation"`
	Kind         string               `json:"kind"`
	Name         string               `json:"name,omitempty"`
	Sender       User                 `json:"sender"`
	Stored       time.Time            `json:"stored"` // the id's own time
	ClientID     chat.ClientMessageID `json:"clientMessageId"`
	Claimed      bool                 `json:"claimed"` // the durable claim names this message
	ContentType  string               `json:"contentType"`
	CodePoints   int                  `json:"codePoints"`
	Edited       *time.Time           `json:"edited,omitempty"`
	Deleted      bool                 `json:"deleted,omitempty"`
	Members      []MemberTrace        `json:"members"`
	Notes        []string             `json:"notes,omitempty"`
}

// MemberTrace is one member's side of a message.
type MemberTrace struct {
	User      User          `json:"user"`
	Sender    bool          `json:"sender,omitempty"`
	Active    bool          `json:"active"`
	Holds     bool          `json:"holds"`     // the message lies in the member's time in the conversation
	Delivered bool          `json:"delivered"` // the member's watermark reached it
	Read      bool          `json:"read"`
	Events    []EventTrace  `json:"events,omitempty"` // of this message in the member's inbox log
	Devices   []DeviceTrace `json:"devices,omitempty"`
}

// EventTrace is one row of a member's inbox log.
type EventTrace struct {
	ID   chat.EventID `json:"id"`
	Kind string       `json:"kind"`
	At   time.Time    `json:"at"`
}

// DeviceTrace is one device's side of a message.
type DeviceTrace struct {
	ID     chat.DeviceID `json:"id"`
	Name   string        `json:"name,omitempty"`
	Acked  bool          `json:"acked"`          // the device acknowledged the message's event
	Cursor chat.EventID  `json:"cursor"`         // everything up to here was acknowledged and verified
	Seen   *time.Time    `json:"seen,omitempty"` // when it was last connected
}

var eventKinds = map[chat.EventKind]string{
	chat.EventMessage: "message", chat.EventEdit: "edit", chat.EventDelete: "delete", chat.EventReaction: "reaction",
}

// Trace implements Operator.
func (d *Desk) Trace(ctx context.Context, m chat.MessageID, conv chat.ConversationID) (*Trace, error) {
	s := d.o.Store
	if conv.IsZero() {
		found, err := d.o.Finder.FindMessage(ctx, m)
		if errors.Is(err, store.ErrNotFound) {
			return nil, chat.NotFound(fmt.Sprintf("no message %s is stored: it was never acked, or its sender was told that it failed", m))
		}
		if err != nil {
			return nil, fmt.Errorf("find message: %w", err)
		}
		conv = found
	}
	c, err := s.Conversations.Get(ctx, conv)
	if errors.Is(err, store.ErrNotFound) {
		return nil, chat.NotFound("no such conversation")
	}
	if err != nil {
		return nil, fmt.Errorf("read conversation: %w", err)
	}
	msg, err := s.Messages.Message(ctx, store.Ref{Conversation: conv, Kind: c.Kind, Message: m})
	if errors.Is(err, store.ErrNotFound) {
		return nil, chat.NotFound(fmt.Sprintf("no message %s is stored in conversation %s", m, conv))
	}
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	t := &Trace{
		Message: m, Conversation: conv, Kind: c.Kind.String(), Name: c.Name, Stored: m.Time(), ClientID: msg.ClientMessageID,
		ContentType: msg.ContentType.String(), CodePoints: utf8.RuneCountInString(msg.Content), Deleted: msg.Deleted,
	}
	if msg.EditedAt != 0 {
		at := time.UnixMilli(msg.EditedAt).UTC()
		t.Edited = &at
	}
	if err := d.claim(ctx, t, &msg); err != nil {
		return nil, err
	}
	members, err := d.members(ctx, t, c)
	if err != nil {
		return nil, err
	}
	return t, d.fill(ctx, t, c, &msg, members)
}

func (d *Desk) claim(ctx context.Context, t *Trace, msg *chat.Message) error {
	if msg.ClientMessageID.IsZero() {
		return nil
	}
	claim, err := d.o.Store.Claims.Get(ctx, msg.Sender, msg.ClientMessageID)
	if errors.Is(err, store.ErrNotFound) {
		t.Notes = append(t.Notes, "its durable claim is gone: claims are kept 30 days")
		return nil
	}
	if err != nil {
		return fmt.Errorf("read claim: %w", err)
	}
	t.Claimed = claim.Message == msg.ID
	if !t.Claimed {
		t.Notes = append(t.Notes, "its clientMessageId now stands for message "+claim.Message.String())
	}
	return nil
}

func (d *Desk) members(ctx context.Context, t *Trace, c chat.Conversation) ([]chat.Member, error) {
	if c.Kind == chat.Channel {
		t.Notes = append(t.Notes, "a channel has one log of its own, which devices read from a cursor each; its members' inboxes have no rows")
	}
	var all []chat.Member
	var after chat.UserID
	for len(all) < maxTraceMembers {
		page, err := d.o.Store.Members.Page(ctx, c.ID, after, 500)
		if err != nil {
			return nil, fmt.Errorf("read members: %w", err)
		}
		if len(page) == 0 {
			return all, nil
		}
		all = append(all, page...)
		after = page[len(page)-1].User
	}
	t.Notes = append(t.Notes, fmt.Sprintf("only the first %d members are shown", len(all)))
	return all, nil
}

func (d *Desk) fill(ctx context.Context, t *Trace, c chat.Conversation, msg *chat.Message, members []chat.Member) error {
	people, err := d.people(ctx, msg.Sender, members)
	if err != nil {
		return err
	}
	t.Sender = people[msg.Sender]
	for _, m := range members {
		mt := MemberTrace{
			User: people[m.User], Sender: m.User == msg.Sender, Active: m.Active(), Holds: m.Holds(msg.ID),
		}
		receipt, err := d.o.Store.Watermarks.Get(ctx, c.ID, m.User)
		if err != nil {
			return fmt.Errorf("read watermarks: %w", err)
		}
		mt.Read = receipt.ReadTo >= msg.ID
		mt.Delivered = mt.Read || receipt.DeliveredTo >= msg.ID // what was read came
		if c.Kind != chat.Channel {
			if mt.Events, err = d.events(ctx, m.User, msg.ID); err != nil {
				return err
			}
			if mt.Devices, err = d.devices(ctx, m.User, mt.Events); err != nil {
				return err
			}
		}
		t.Members = append(t.Members, mt)
	}
	return nil
}

func (d *Desk) people(ctx context.Context, sender chat.UserID, members []chat.Member) (map[chat.UserID]User, error) {
	ids := []chat.UserID{sender}
	for _, m := range members {
		if m.User != sender {
			ids = append(ids, m.User)
		}
	}
	people := make(map[chat.UserID]User, len(ids))
	for part := range slices.Chunk(ids, 500) {
		users, err := d.o.Store.Users.Batch(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("read users: %w", err)
		}
		for _, u := range users {
			people[u.ID] = userOf(u)
		}
	}
	return people, nil
}

// events reads a member's log from the message's own time on, and keeps what is about it. Events carry later ids than
// the message they announce.
func (d *Desk) events(ctx context.Context, user chat.UserID, m chat.MessageID) ([]EventTrace, error) {
	var found []EventTrace
	after, read := chat.EventID(m)-1, 0
	for read < maxTraceEvents {
		page, err := d.o.Store.Inbox.Read(ctx, user, after, tracePage)
		if err != nil {
			return nil, fmt.Errorf("read inbox: %w", err)
		}
		for _, e := range page.Events {
			if e.Message == m && eventKinds[e.Kind] != "" {
				found = append(found, EventTrace{ID: e.ID, Kind: eventKinds[e.Kind], At: e.ID.Time()})
			}
			after = e.ID
		}
		read += len(page.Events)
		if !page.More || len(page.Events) == 0 {
			break
		}
	}
	return found, nil
}

func (d *Desk) devices(ctx context.Context, user chat.UserID, events []EventTrace) ([]DeviceTrace, error) {
	list, err := d.o.Store.Devices.List(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("read devices: %w", err)
	}
	var out []DeviceTrace
	for _, dev := range list {
		dt := DeviceTrace{ID: dev.ID, Name: dev.Name, Cursor: dev.AckedTo}
		if dev.SeenAt != 0 {
			at := time.UnixMilli(dev.SeenAt).UTC()
			dt.Seen = &at
		}
		for _, e := range events {
			if e.Kind == "message" && (dev.AckedTo >= e.ID || slices.Contains(dev.AckedBeyond, e.ID)) {
				dt.Acked = true
			}
		}
		out = append(out, dt)
	}
	return out, nil
}
