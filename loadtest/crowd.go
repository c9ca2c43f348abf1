package loadtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/check"
	"github.com/murre-chat/murre/pkg/protocol"
)

// shape is who is in a crowd and what they do.
type shape struct {
	people     int     // 2i and 2i+1 write to each other
	online     int     // the first so many are connected and write; the others come only at the end
	devices    int     // the first so many have a second device
	groups     [][]int // members of each group
	rate       int     // messages a second, over all
	groupShare int     // one in so many messages goes to a group of its writer
	outbox     int     // who has so many unanswered messages writes no more
	family     string  // of the people's names: a crowd of another family is other people
}

// Shares of what else people do.
const (
	replyShare = 10 // one in so many messages answers the newest one received
	readShare  = 20 // one in so many comes with a read of it
	editShare  = 50 // one in so many comes with an edit or a deletion of an own one
)

// How people behave who lost their server, as pkg/client does.
const (
	backoffMin  = 250 * time.Millisecond
	backoffMax  = 30 * time.Second
	steady      = 10 * time.Second // a connection that stood so long begins the backoff anew
	dialTimeout = 10 * time.Second
	ackTimeout  = 10 * time.Second
	rescanEvery = 50 * time.Millisecond
)

// crowd is people who write to each other, keep what isn't acked, send that again under the same clientMessageId, come
// back when they lose the server, and record all they do and see. Its fields belong to the loop while it runs.
type crowd struct {
	r     *rig
	shape shape
	drop  int // one in so many received messages is dropped before it is recorded; 0: none
	rng   *rand.Rand
	// picked says of each reception whether it is dropped; used with drop only.
	picked  map[reception]bool
	dropped int

	check  *check.Checker
	log    []check.Event
	ps     []*person
	convs  []chat.ConversationID // of the pairs of those online
	groups []chat.ConversationID
	seats  []*seat
	byConn map[*wire.Client]*seat
	seq    uint32

	writing, alive  bool // messages are made; the server (as far as we know) lives
	due             int64
	rescan          int64 // when unanswered messages are looked through next
	turn            int
	onWire          int64
	changes         int   // edits and deletions asked for
	got             int64 // receipts, for progress
	acked           int64
	frame           protocol.ClientFrame
	refusal         error
	codes           map[string]int // error frames and close codes, counted
	afterQuiescence map[*seat]int  // pending offered to a device after everything was acked
	drained         int            // times a device was told to come back later
	offClock        int            // ids whose time is not between the first attempt and the ack

	// What devices are still owed: receptions of acked messages, by other devices than the writer's.
	owed     int
	devices  map[chat.ConversationID]int
	received map[arrival]struct{}
	dueAt    []int64  // when the text of a number was due, Unix ns
	samples  []sample // how long each reception took
}

// sample is one first reception of a message by a device: when it was due and how long it took from there.
type sample struct {
	due  int64 // Unix ns
	took time.Duration
}

// seat is one device of one person.
type seat struct {
	p        *person
	n        int // index of the person
	c        *wire.Client
	groups   []chat.ConversationID
	online   bool  // should be connected
	retryAt  int64 // connect at that time, Unix ns; 0: no need
	dialed   int64 // when the last attempt began
	up       int64 // when it was welcomed; 0: it isn't
	attempts int   // in vain, since the last steady connection
	synced   bool
	node     int         // of the gateway it speaks to, once known by the ids it makes; see nodeOf
	unacked  []*outgoing // in order of sending
	byKey    map[chat.ClientMessageID]*outgoing
	last     map[chat.ConversationID]chat.MessageID // newest message received
	mine     []own                                  // acked messages that may be edited and deleted
}

// own is a stored message of one's own.
type own struct {
	conv chat.ConversationID
	id   chat.MessageID
}

// clockSlack is how far an id's time may be from ours: S, half of it in either direction, and the clock that ids carry on.
const clockSlack = 2 * time.Second

// maxOwn is how many of its own messages a device remembers for edits and deletions.
const maxOwn = 20

// outgoing is a message that its sender hasn't seen acked.
type outgoing struct {
	conv     chat.ConversationID
	key      chat.ClientMessageID
	content  string
	replyTo  chat.MessageID
	done     bool
	again    bool  // was on the wire before
	firstAt  int64 // when it was on the wire first, Unix ns
	retryAt  int64 // send again at that time unless it is answered, Unix ns; 0: it isn't on this connection's wire
	attempts int
}

// reception is one message on one device.
type reception struct {
	device  chat.DeviceID
	message chat.MessageID
}

// arrival is one message on one device, under whatever id: one that was sent again may come under two, and is still one.
type arrival struct {
	device  chat.DeviceID
	message chat.ClientMessageID
}

func newCrowd(r *rig, s shape, seed uint64, o check.Options) *crowd {
	c := &crowd{
		r: r, shape: s, rng: rand.New(rand.NewPCG(seed, 9)), picked: map[reception]bool{}, check: check.New(o),
		byConn: map[*wire.Client]*seat{}, codes: map[string]int{}, devices: map[chat.ConversationID]int{}, received: map[arrival]struct{}{},
	}
	c.frame.Type = protocol.TypeMessage
	return c
}

func (c *crowd) add(e check.Event) {
	e.At = time.Now().UnixMicro()
	c.log = append(c.log, e)
	c.check.Add(e)
}

// populate makes people, conversations and connections. In the end those who should be are connected and synced.
func (c *crowd) populate(ctx context.Context) error {
	s, n := c.r.s, c.shape
	c.ps = people(s, n.family, n.people)
	if err := meet(ctx, s, c.ps); err != nil {
		return err
	}
	var err error
	if c.convs, err = directs(ctx, c.ps[:n.online]); err != nil {
		return err
	}
	memberOf := make([][]chat.ConversationID, n.people)
	for _, members := range n.groups {
		ps := make([]*person, len(members))
		for i, m := range members {
			ps[i] = c.ps[m]
		}
		conv, err := group(ctx, ps)
		if err != nil {
			return err
		}
		c.groups = append(c.groups, conv)
		for _, m := range members {
			memberOf[m] = append(memberOf[m], conv)
		}
	}
	for i, p := range c.ps {
		devices := 1
		if i < n.devices {
			devices = 2
		}
		for d := range devices {
			st := &seat{p: p, n: i, groups: memberOf[i], online: i < n.online, byKey: map[chat.ClientMessageID]*outgoing{}, last: map[chat.ConversationID]chat.MessageID{}}
			st.c = p.socket(c.r.l, s, d, c, len(c.seats))
			c.seats = append(c.seats, st)
			c.byConn[st.c] = st
			c.add(check.Event{Kind: check.DeviceAdded, User: p.id, Device: st.c.Device})
		}
		for _, conv := range memberOf[i] {
			c.devices[conv] += devices
			c.add(check.Event{Kind: check.Joined, User: p.id, Conversation: conv})
		}
		if i < n.online {
			c.devices[c.convs[i/2]] += devices
			c.add(check.Event{Kind: check.Joined, User: p.id, Conversation: c.convs[i/2]})
		}
	}
	// Everybody connects once, so that every device is known; then those who are away leave.
	if err := c.r.on(ctx, func() {
		c.alive = true
		for _, st := range c.seats {
			st.retryAt = 1
		}
		c.r.l.Schedule(c.tick)
	}); err != nil {
		return err
	}
	if err := c.until(ctx, 60*time.Second, "everybody connected and synced", func() bool { return c.missing() == 0 }); err != nil {
		return err
	}
	return c.r.on(ctx, func() {
		for _, st := range c.seats {
			if !st.online {
				st.leave()
			}
		}
	})
}

// leave says goodbye.
func (st *seat) leave() {
	st.c.Close()
	st.down()
}

func (st *seat) down() {
	st.synced, st.up, st.node = false, 0, 0
	for _, o := range st.unacked {
		o.retryAt = 0
	}
}

// missing counts devices that should be connected and synced and aren't.
func (c *crowd) missing() int {
	n := 0
	for _, st := range c.seats {
		if !st.c.Connected() || !st.synced {
			n++
		}
	}
	return n
}

// open counts messages whose fate their senders don't know.
func (c *crowd) open() int {
	n := 0
	for _, st := range c.seats {
		n += len(st.byKey)
	}
	return n
}

// write starts the load.
func (c *crowd) write(ctx context.Context) error {
	return c.r.on(ctx, func() {
		c.alive, c.writing, c.due = true, true, time.Now().UnixNano()
		c.r.l.Schedule(c.tick)
	})
}

// stopWriting ends the load; what is unanswered is still sent again.
func (c *crowd) stopWriting(ctx context.Context) error {
	return c.r.on(ctx, func() { c.writing = false })
}

// tick connects who should be, sends again what is overdue, and writes what is due.
func (c *crowd) tick(int64) time.Duration {
	now := time.Now().UnixNano()
	if c.alive && now >= c.rescan {
		c.rescan = now + rescanEvery.Nanoseconds()
		for _, st := range c.seats {
			c.tend(st, now)
		}
	}
	if !c.writing {
		return 5 * time.Millisecond
	}
	interval := int64(time.Second) / int64(c.shape.rate)
	for ; c.due <= now; c.due += interval {
		c.writeOne(c.due)
	}
	return min(time.Duration(c.due-now), rescanEvery)
}

// tend looks after one device's connection and outbox.
func (c *crowd) tend(st *seat, now int64) {
	switch {
	case st.retryAt != 0 && now >= st.retryAt:
		st.leave() // nothing, unless the server asked it to come back elsewhere
		st.retryAt, st.dialed = 0, now
		if err := st.c.Connect(); err != nil {
			c.refusal = err
			c.comeBack(st, now)
		}
		return
	case st.up == 0 && st.dialed != 0 && now-st.dialed > dialTimeout.Nanoseconds():
		st.c.Cut() // a balancer took the connection and nobody behind it answers
		c.codes["dial timeout"]++
		c.comeBack(st, now)
		return
	}
	if st.up == 0 {
		return
	}
	for _, o := range st.unacked {
		if !o.done && o.retryAt != 0 && now >= o.retryAt {
			c.put(st, o)
		}
	}
}

// comeBack plans the next attempt: full jitter, twice as long each time.
func (c *crowd) comeBack(st *seat, now int64) {
	st.dialed = 0
	limit := min(backoffMin<<min(st.attempts, 10), backoffMax)
	st.attempts++
	st.retryAt = now + c.rng.Int64N(int64(limit)) + 1
}

// writeOne makes the next message. Who has no connection writes all the same: it is sent once there is one.
func (c *crowd) writeOne(due int64) {
	c.turn++
	st := c.seats[c.turn%(c.shape.online+c.shape.devices)]
	if c.rng.IntN(editShare) == 0 && len(st.mine) > 0 && st.c.Connected() {
		c.change(st, due)
	}
	if len(st.unacked) >= c.shape.outbox {
		return
	}
	conv := c.convs[st.n/2]
	if len(st.groups) > 0 && c.rng.IntN(c.shape.groupShare) == 0 {
		conv = st.groups[c.rng.IntN(len(st.groups))]
	}
	o := &outgoing{conv: conv, content: c.text(due)}
	o.key = clientID(time.Now().UnixNano(), uint32(st.c.Data), c.seq)
	if c.rng.IntN(replyShare) == 0 {
		o.replyTo = st.last[conv]
	}
	if read := st.last[conv]; read != 0 && c.rng.IntN(readShare) == 0 && st.c.Connected() {
		c.add(check.Event{Kind: check.ReadSent, User: st.p.id, Device: st.c.Device, Conversation: conv, Message: read})
		st.c.Send(&protocol.ClientFrame{Type: protocol.TypeRead, Read: protocol.ReadFrame{Conversation: conv, UpTo: read}})
	}
	st.unacked = append(st.unacked, o)
	st.byKey[o.key] = o
	if st.up != 0 {
		c.put(st, o)
	}
}

// text makes the next text, which carries its number.
func (c *crowd) text(due int64) string {
	c.seq++
	for int(c.seq) >= len(c.dueAt) {
		c.dueAt = append(c.dueAt, 0)
	}
	c.dueAt[c.seq] = due
	return text(int64(c.seq))
}

// change edits or deletes one of a device's own messages. Whether it was done is known when the event comes; after a
// crash it may stay unknown.
func (c *crowd) change(st *seat, due int64) {
	i := c.rng.IntN(len(st.mine))
	m := st.mine[i]
	e := check.Event{Retry: true, User: st.p.id, Device: st.c.Device, Conversation: m.conv, Message: m.id}
	var f protocol.ClientFrame
	if c.rng.IntN(3) == 0 {
		st.mine = append(st.mine[:i], st.mine[i+1:]...)
		f.Type, f.Delete = protocol.TypeDelete, protocol.DeleteFrame{Conversation: m.conv, Message: m.id}
		e.Kind = check.Removed
	} else {
		content := c.text(due)
		f.Type, f.Edit = protocol.TypeEdit, protocol.EditFrame{Conversation: m.conv, Message: m.id, Content: content}
		e.Kind, e.Digest = check.Edited, check.Digest(content)
	}
	c.add(e)
	c.changes++
	st.c.Send(&f)
}

// put sends one message, the first time or again.
func (c *crowd) put(st *seat, o *outgoing) {
	c.frame.Message = protocol.SendFrame{
		Conversation: o.conv, ClientMessage: o.key, Content: o.content, ContentType: chat.Text, Resend: o.again, ReplyTo: o.replyTo,
	}
	now := time.Now()
	if !o.again {
		o.firstAt = now.UnixNano()
	}
	o.again, o.retryAt = true, now.Add(ackTimeout).UnixNano()
	c.add(check.Event{Kind: check.Sent, Node: st.node, User: st.p.id, Device: st.c.Device, Conversation: o.conv, Client: o.key, Digest: check.Digest(o.content), ReplyTo: o.replyTo})
	if c.alive {
		c.onWire++
	}
	st.c.Send(&c.frame)
}

// state says what is missing, for error messages.
func (c *crowd) state() string {
	return fmt.Sprintf("%d devices not synced, %d messages not acked, %d receptions owed, last refusal: %v; refusals %v", c.missing(), c.open(), c.owed, c.refusal, c.codes)
}
