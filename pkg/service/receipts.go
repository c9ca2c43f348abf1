package service

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// receiptDelay is how long receipts gather before they are written and pushed.
	receiptDelay = 100 * time.Millisecond
	// receiptAgain is how long they wait besides when the store didn't take them: a busy one isn't to be asked for all of them again
	// at once.
	receiptAgain = 2 * time.Second
	// maxReceipts is how many live statuses gather at most; beyond it they are dropped (a client finds them in /receipts).
	maxReceipts = 50_000
	// maxMarks is how many watermarks wait to be stored at most; beyond it delivered marks are dropped and reads refused.
	maxMarks = 4 * maxReceipts
	// maxStatusIDs is how many message ids one status push names at most.
	maxStatusIDs = 500
	// maxGathered is how many ids of one sender, reader and conversation gather: a queue of many batches may be acked at once.
	maxGathered = 20 * maxStatusIDs
)

// receipts gathers delivered and read marks and writes and pushes them together.
type receipts struct {
	kick chan struct{}

	mu        sync.Mutex
	delivered map[deliveredKey][]chat.MessageID // live statuses, pushed only
	marks     map[markKey]store.Mark            // to be stored
	reads     map[markKey]readMark              // to be pushed once stored
}

type deliveredKey struct {
	sender, by chat.UserID
	conv       chat.ConversationID
}

type markKey struct {
	conv chat.ConversationID
	user chat.UserID
}

type readMark struct {
	from, to   chat.MessageID
	at         int64
	device     chat.DeviceID
	membership *chat.Membership
}

func newReceipts() *receipts {
	return &receipts{
		kick:      make(chan struct{}, 1),
		delivered: make(map[deliveredKey][]chat.MessageID),
		marks:     make(map[markKey]store.Mark),
		reads:     make(map[markKey]readMark),
	}
}

// Delivered says that a device of by has acked messages of sender. It is best effort and only shown live; what is
// stored follows the verified cursor (MarkDelivered).
func (s *Service) Delivered(by, sender chat.UserID, conv chat.ConversationID, m chat.MessageID) {
	s.recents.noteMessage(conv, m)
	if by == sender {
		return
	}
	r := s.receipts
	k := deliveredKey{sender: sender, by: by, conv: conv}
	r.mu.Lock()
	ids := r.delivered[k]
	if len(ids) < maxGathered && (ids != nil || len(r.delivered) < maxReceipts) {
		if n := len(ids); n == 0 || ids[n-1] != m {
			r.delivered[k] = append(ids, m)
		}
	}
	r.mu.Unlock()
	r.wake()
}

// MarkDelivered stores that everything up to an id reached a device of a user. The caller's cursor proves it.
func (s *Service) MarkDelivered(user chat.UserID, conv chat.ConversationID, upTo chat.MessageID) {
	r := s.receipts
	r.mu.Lock()
	r.mark(store.Mark{Conversation: conv, User: user, DeliveredTo: upTo})
	r.mu.Unlock()
	r.wake()
}

// Read says that the caller has read a conversation up to a message. The id is clamped to what exists and what the
// caller may see. It is stored, then pushed, within receiptDelay.
func (s *Service) Read(ctx context.Context, c Caller, conv chat.ConversationID, upTo chat.MessageID) error {
	if upTo <= 0 {
		return chat.Invalid("upToMessageId", "is missing or malformed")
	}
	if err := s.other(ctx, c); err != nil {
		return err
	}
	m, me, err := s.member(ctx, c.User, conv)
	if err != nil {
		return err
	}
	to, err := s.lastUpTo(ctx, &m.Conversation, me, upTo)
	if err != nil {
		return chat.Unavailable("clamp a read mark", err)
	}
	if to == 0 {
		return nil
	}
	s.merge(to)
	k := markKey{conv: conv, user: c.User}
	before := s.recents.readTo(k)
	if before == 0 && m.Conversation.Kind != chat.Direct { // between two it is one person who is told, whatever was read before
		mark, err := s.store.Watermarks.Get(ctx, conv, c.User)
		if err != nil {
			return chat.Unavailable("read a watermark", err)
		}
		before = mark.ReadTo
	}
	if to <= before {
		return nil
	}
	r := s.receipts
	r.mu.Lock()
	if !r.mark(store.Mark{Conversation: conv, User: c.User, ReadTo: to}) {
		r.mu.Unlock()
		return chat.Unavailable("keep a read mark", errors.New("too many wait to be stored"))
	}
	if old, ok := r.reads[k]; !ok || old.to < to {
		from := before
		if ok {
			from = min(from, old.from)
		}
		r.reads[k] = readMark{from: from, to: to, at: s.now().UnixMilli(), device: c.Device, membership: m}
	}
	r.mu.Unlock()
	r.wake()
	return nil
}

// lastUpTo is the last message up to an id that a member may see, 0 when there is none. Nearly always that is the id itself,
// which one row tells; only else is the history looked through.
func (s *Service) lastUpTo(ctx context.Context, c *chat.Conversation, me chat.Member, upTo chat.MessageID) (chat.MessageID, error) {
	if upTo <= me.JoinedID {
		return 0, nil
	}
	if s.recents.holds(c.ID, upTo) {
		return upTo, nil
	}
	_, err := s.store.Messages.Message(ctx, store.Ref{Conversation: c.ID, Kind: c.Kind, Message: upTo})
	if err == nil {
		return upTo, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	newest, err := s.store.Messages.History(ctx, store.History{
		Conversation: c.ID, Kind: c.Kind, After: me.JoinedID, Before: upTo, Newest: true, Limit: 1, Bare: true,
	})
	if err != nil || len(newest) == 0 {
		return 0, err
	}
	return newest[0].ID, nil
}

// mark notes what is to be stored; it reports false when too much waits already, as while the store takes nothing. r.mu is
// held.
func (r *receipts) mark(m store.Mark) bool {
	k := markKey{conv: m.Conversation, user: m.User}
	old, ok := r.marks[k]
	if !ok && len(r.marks) >= maxMarks {
		return false
	}
	m.DeliveredTo = max(m.DeliveredTo, old.DeliveredTo)
	m.ReadTo = max(m.ReadTo, old.ReadTo)
	r.marks[k] = m
	return true
}

func (r *receipts) wake() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// runReceipts flushes what gathers until ctx ends, and once more then.
func (s *Service) runReceipts(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), AckDeadline)
			defer cancel()
			s.flushReceipts(flush)
			return
		case <-s.receipts.kick:
		}
		pause(ctx, receiptDelay)
		if !s.flushReceipts(context.WithoutCancel(ctx)) {
			pause(ctx, receiptAgain)
		}
	}
}

// pause waits for a time, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// flushReceipts stores and tells what has gathered. It reports false when it couldn't be stored, and so is kept.
func (s *Service) flushReceipts(ctx context.Context) bool {
	r := s.receipts
	r.mu.Lock()
	delivered, marks, reads := r.delivered, r.marks, r.reads
	r.delivered = make(map[deliveredKey][]chat.MessageID, len(delivered))
	r.marks = make(map[markKey]store.Mark, len(marks))
	r.reads = make(map[markKey]readMark, len(reads))
	r.mu.Unlock()
	now := s.now().UnixMilli()
	for k, ids := range delivered {
		for part := range slices.Chunk(ids, maxStatusIDs) {
			s.router.Push(ctx, &chat.Push{Kind: chat.PushStatus, Recipients: []chat.UserID{k.sender}, Status: &chat.StatusChange{
				Conversation: k.conv, User: k.by, Status: chat.Delivered, Messages: part, At: now,
			}})
		}
	}
	if len(marks) == 0 {
		return true
	}
	list := make([]store.Mark, 0, len(marks))
	for k, m := range marks {
		if m.DeliveredTo <= max(m.ReadTo, s.recents.readTo(k)) {
			m.DeliveredTo = 0 // who read it has it
		}
		if m.DeliveredTo != 0 || m.ReadTo != 0 {
			list = append(list, m)
		}
	}
	if len(list) == 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, AckDeadline)
	defer cancel()
	if err := s.store.Watermarks.Put(ctx, list); err != nil {
		s.log.Warn("store receipts, will try again", "marks", len(list), "error", err)
		s.keepReceipts(list, reads)
		return false
	}
	for i := range list {
		if m := &list[i]; m.ReadTo != 0 {
			s.recents.noteRead(markKey{m.Conversation, m.User}, m.ReadTo)
		}
	}
	senders := make(map[readRange][]chat.UserID)
	for k, rd := range reads {
		s.pushRead(ctx, k, rd, senders)
	}
	return true
}

// keepReceipts puts back what could not be written, as far as there is room; newer marks win.
func (s *Service) keepReceipts(marks []store.Mark, reads map[markKey]readMark) {
	r := s.receipts
	r.mu.Lock()
	for _, m := range marks {
		r.mark(m)
	}
	for k, rd := range reads {
		if cur, ok := r.reads[k]; ok {
			cur.from = min(cur.from, rd.from)
			r.reads[k] = cur
		} else if len(r.reads) < maxReceipts {
			r.reads[k] = rd
		}
	}
	r.mu.Unlock()
	r.wake()
}

// readRange is a stretch of a group's history that members have read; many read the same one at about the same time.
type readRange struct {
	conv     chat.ConversationID
	from, to chat.MessageID
}

// pushRead tells those who wrote what was read, and the reader's other devices. senders are those of ranges looked at before.
func (s *Service) pushRead(ctx context.Context, k markKey, rd readMark, senders map[readRange][]chat.UserID) {
	p := &chat.Push{Kind: chat.PushStatus, ExceptDevice: rd.device, Status: &chat.StatusChange{
		Conversation: k.conv, User: k.user, Status: chat.Read, Messages: []chat.MessageID{rd.to}, At: rd.at,
	}}
	p.Recipients = append(p.Recipients, k.user)
	switch rd.membership.Conversation.Kind {
	case chat.Direct:
		for _, m := range rd.membership.Members {
			if m.User != k.user {
				p.Recipients = append(p.Recipients, m.User)
			}
		}
	case chat.Group:
		me, _ := rd.membership.Find(k.user)
		of := readRange{conv: k.conv, from: max(rd.from, me.JoinedID), to: rd.to}
		who, ok := senders[of]
		if !ok {
			who = s.sendersBetween(ctx, of, rd.membership)
			senders[of] = who
		}
		for _, u := range who {
			if u != k.user {
				p.Recipients = append(p.Recipients, u)
			}
		}
	}
	s.router.Push(ctx, p)
}

// sendersBetween returns the active members who wrote what was just read; all active ones when that is more than a page.
func (s *Service) sendersBetween(ctx context.Context, r readRange, members *chat.Membership) []chat.UserID {
	page, err := s.store.Messages.History(ctx, store.History{
		Conversation: r.conv, Kind: chat.Group, After: r.from, Before: r.to + 1, Newest: true, Limit: chat.MaxHistory, Bare: true,
	})
	seen := make(map[chat.UserID]bool)
	if err == nil && len(page) < chat.MaxHistory {
		for i := range page {
			seen[page[i].Sender] = true
		}
	}
	var out []chat.UserID
	for _, m := range members.Members {
		if m.Active() && (len(page) == chat.MaxHistory || err != nil || seen[m.User]) {
			out = append(out, m.User)
		}
	}
	return out
}

// Receipts returns the watermarks of a conversation's active members; since leaves out those neither of whose marks lies beyond it.
func (s *Service) Receipts(ctx context.Context, c Caller, conv chat.ConversationID, since chat.MessageID) ([]chat.Receipt, error) {
	m, _, err := s.member(ctx, c.User, conv)
	if err != nil {
		return nil, err
	}
	if m.Conversation.Kind == chat.Channel {
		return nil, chat.Invalid("conversationId", "a channel has no receipts by member")
	}
	all, err := s.store.Watermarks.List(ctx, conv, chat.UserID{}, 4*chat.MaxGroupMembers)
	if err != nil {
		return nil, chat.Unavailable("read receipts", err)
	}
	out := all[:0]
	for _, r := range all {
		if mem, ok := m.Find(r.User); ok && mem.Active() && (r.DeliveredTo > since || r.ReadTo > since) {
			out = append(out, readIsDelivered(r))
		}
	}
	return out, nil
}

// readIsDelivered shows what was read as delivered too: the mark of deliveries follows the verified cursor and so comes later.
func readIsDelivered(r chat.Receipt) chat.Receipt {
	r.DeliveredTo = max(r.DeliveredTo, r.ReadTo)
	return r
}

// MessageReceipts returns the watermarks of every member, but the sender, whose interval holds a message of the conversation.
func (s *Service) MessageReceipts(ctx context.Context, c Caller, conv chat.ConversationID, msg chat.MessageID) ([]chat.Receipt, error) {
	m, me, err := s.member(ctx, c.User, conv)
	if err != nil {
		return nil, err
	}
	row, err := s.store.Messages.Message(ctx, store.Ref{Conversation: conv, Kind: m.Conversation.Kind, Message: msg})
	if errors.Is(err, store.ErrNotFound) || (err == nil && !me.Holds(msg)) {
		return nil, chat.NotFound("no such message")
	}
	if err != nil {
		return nil, chat.Unavailable("read a message", err)
	}
	if m.Conversation.Kind == chat.Channel {
		return nil, chat.Invalid("conversationId", "a channel has no receipts by member")
	}
	marks, err := s.store.Watermarks.List(ctx, conv, chat.UserID{}, 4*chat.MaxGroupMembers)
	if err != nil {
		return nil, chat.Unavailable("read receipts", err)
	}
	by := make(map[chat.UserID]chat.Receipt, len(marks))
	for _, r := range marks {
		by[r.User] = r
	}
	var out []chat.Receipt
	for _, mem := range m.Members {
		if mem.User != row.Sender && mem.Active() && mem.Holds(msg) {
			r := by[mem.User]
			r.User = mem.User
			out = append(out, readIsDelivered(r))
		}
	}
	return out, nil
}
