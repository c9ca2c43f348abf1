package check

import (
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

// Options of a Checker. The zero value judges a bounded stream against one server on the recorder's clock.
type Options struct {
	Exact         bool          // keep every message until Finish
	Window        int           // without Exact: settled ids remembered a conversation; 0: 4,096
	MaxViolations int           // kept in the report (all are counted); 0: 1,000
	ClockSlack    time.Duration // how far the server's clock may be from the recorder's
	Grace         time.Duration // how long removal and revocation may take to hold; 0: 5 s
	// AllListed: the history of every conversation with acked messages is read at the end; one that isn't is Lost.
	AllListed bool
	// Open: there are messages whose sending isn't recorded (loaded beforehand): they are no ghosts.
	Open bool
}

// Checker takes events and finds broken promises.
type Checker struct {
	o  Options
	mu sync.Mutex // guards everything below

	report   Report
	users    map[chat.UserID]*user
	devices  map[chat.DeviceID]*device
	convs    map[chat.ConversationID]*conversation
	bySend   map[sendKey]*message
	maxAcked map[int]chat.MessageID // by node
	seq      int64                  // counts Sent events
}

type sendKey struct {
	sender chat.UserID
	client chat.ClientMessageID
}

type user struct {
	id      chat.UserID
	devices []*device
	convs   []*conversation
}

type device struct {
	id       chat.DeviceID
	user     *user
	addedAt  int64
	gone     bool
	revoked  int64 // 0: not
	shown    map[chat.MessageID]struct{}
	shownOld map[chat.MessageID]struct{} // not Exact: the generation before
	lastSync int64                       // Unix ms of the last synced
}

type conversation struct {
	id       chat.ConversationID
	members  map[chat.UserID]*member
	slots    map[*device]int // a device's bit in message.got
	byID     map[chat.MessageID]*message
	live     []*message // not settled, in order of first sight; compacted now and then
	settled  digest
	recent   map[chat.MessageID]struct{} // settled ids, the last Window of them
	ring     []chat.MessageID
	ringAt   int
	listings map[chat.UserID]*listing
	listed   bool
	ackedAny bool
	orders   map[*device]*sendOrder
	edits    map[chat.MessageID][]edit
	removed  map[chat.MessageID]int64 // when a deletion was answered; 0: asked for only
}

// digest is an order-free sum over message ids.
type digest struct {
	count int
	sum   uint64
}

func (d *digest) add(m chat.MessageID) {
	x := uint64(m)
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	d.count++
	d.sum += x
}

// span is one stretch of membership, in the recorder's microseconds; 0 in leave: not left.
type span struct{ joinAsked, joined, leaveAsked, left int64 }

type member struct {
	user                *user
	spans               []span
	deliveredTo, readTo chat.MessageID // highest seen
	readSent            chat.MessageID
	received            chat.MessageID // highest id that a device of theirs received
}

type message struct {
	conv      *conversation
	key       sendKey
	from      *device
	id        chat.MessageID // acked id, else the smallest id it was received under
	floor     chat.MessageID // an acked id that is surely older
	node      int
	firstSent int64 // microseconds
	firstSeq  int64
	lastSeq   int64
	ackedAt   int64
	minEvent  chat.EventID
	replyTo   chat.MessageID
	digest    uint64
	got       []uint64 // bits by conversation.slots
	gotN      int
	sent      bool
	acked     bool
	rejected  bool // an error that says: nothing of it is stored
	failed    bool // an error that says: unknown
	lost      bool // reported already
	sampled   chat.Status
}

// New makes a Checker.
func New(o Options) *Checker {
	if o.Window == 0 {
		o.Window = 4096
	}
	if o.MaxViolations == 0 {
		o.MaxViolations = 1000
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	return &Checker{
		o: o, users: map[chat.UserID]*user{}, devices: map[chat.DeviceID]*device{},
		convs: map[chat.ConversationID]*conversation{}, bySend: map[sendKey]*message{}, maxAcked: map[int]chat.MessageID{},
		report: Report{Counts: map[Verdict]int{}},
	}
}

// Add takes the next event. Devices and members must have been announced by DeviceAdded and Joined before.
func (c *Checker) Add(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(&e)
}

// AddAll takes events in order.
func (c *Checker) AddAll(events []Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range events {
		c.add(&events[i])
	}
}

func (c *Checker) add(e *Event) {
	switch e.Kind {
	case Joined:
		c.joined(e)
	case Left:
		if m := c.conv(e.Conversation).members[e.User]; m != nil && len(m.spans) > 0 {
			s := &m.spans[len(m.spans)-1]
			s.leaveAsked, s.left = began(e), e.At
		}
	case DeviceAdded:
		c.device(e)
	case DeviceGone:
		c.device(e).gone = true
	case Connected:
		c.connected(e)
	case Revoked:
		c.device(e).revoked = e.At
	case Restart:
		c.report.Restarts++
	case Sent:
		c.sent(e)
	case Acked:
		c.acked(e)
	case Failed:
		c.failed(e)
	case Received:
		c.received(e)
	case Shown:
		c.shown(e)
	case AckSent: // kept in recorded files for people who look for the reason of a loss
	case ReadSent:
		if m := c.conv(e.Conversation).members[e.User]; m != nil && e.Message > m.readSent {
			m.readSent = e.Message
		}
	case StatusSeen:
		c.status(e)
	case ReceiptSeen:
		c.receipt(e)
	case Synced:
		c.synced(e)
	case Row:
		c.row(e)
	case RowsEnd:
		c.rowsEnd(e)
	case Edited:
		c.edited(e)
	case Removed:
		c.removed(e)
	case Pending:
		if e.Count > 0 {
			c.violate(PendingLeft, e, nil, "was offered %d pending events after it had acked everything", e.Count)
		}
	}
}

func began(e *Event) int64 {
	if e.Began != 0 {
		return e.Began
	}
	return e.At
}

func (c *Checker) user(id chat.UserID) *user {
	u := c.users[id]
	if u == nil {
		u = &user{id: id}
		c.users[id] = u
	}
	return u
}

// device returns the event's device; one that wasn't announced counts from now on.
func (c *Checker) device(e *Event) *device {
	d := c.devices[e.Device]
	if d == nil {
		u := c.user(e.User)
		d = &device{id: e.Device, user: u, addedAt: e.At}
		c.devices[e.Device] = d
		u.devices = append(u.devices, d)
	}
	return d
}

func (c *Checker) conv(id chat.ConversationID) *conversation {
	v := c.convs[id]
	if v == nil {
		v = &conversation{
			id: id, members: map[chat.UserID]*member{}, slots: map[*device]int{}, byID: map[chat.MessageID]*message{},
			recent: map[chat.MessageID]struct{}{}, listings: map[chat.UserID]*listing{}, orders: map[*device]*sendOrder{},
			edits: map[chat.MessageID][]edit{}, removed: map[chat.MessageID]int64{},
		}
		c.convs[id] = v
		c.report.Conversations++
	}
	return v
}

func (c *Checker) joined(e *Event) {
	v := c.conv(e.Conversation)
	m := v.members[e.User]
	if m == nil {
		m = &member{user: c.user(e.User)}
		v.members[e.User] = m
		m.user.convs = append(m.user.convs, v)
	}
	m.spans = append(m.spans, span{joinAsked: began(e), joined: e.At})
}

// connected checks the cursor that the server has for a device.
func (c *Checker) connected(e *Event) {
	d := c.device(e)
	d.gone, d.revoked = false, 0
	if e.Cursor == 0 {
		return
	}
	for _, v := range d.user.convs {
		for _, m := range v.live {
			if m.minEvent != 0 && m.minEvent <= e.Cursor && !m.hasGot(d) && c.expects(v, m, d) {
				c.violate(CursorPassed, e, m, "the cursor %s is past its event %s, which the device hasn't got", e.Cursor, m.minEvent)
			}
		}
	}
}
