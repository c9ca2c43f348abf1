package inbox

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/overload"
	"github.com/murre-chat/murre/pkg/store"
)

// Limits of one device.
const (
	// MaxInflight is how many pushed events may be unacked; one more and the device is behind.
	MaxInflight = 512
	// maxAcked is how many events may be acked beyond the cursor before the device counts as behind.
	maxAcked = 4096
	// maxSavedAcks is how many of them are stored while the device is connected; when it goes, all.
	maxSavedAcks = 512
	// maxChannels is how many channels of one user are followed live.
	maxChannels = 1000
	// staleAfter is how long a push may stay unacked before its connection is asked for a sign of life.
	staleAfter = 10 * time.Second
	// maxBatchBytes bounds the text of one batch.
	maxBatchBytes = 64 << 10
	// maxLate is how many messages whose delivery isn't proved yet a stream remembers; then the highest of each conversation.
	maxLate = 4096
	// joinWindow is how long after a join senders with an older membership may have left out the new member, and
	// joinSlack how much later what they sent has settled.
	joinWindow = 6 * time.Second
	joinSlack  = time.Second
)

// Sink is a device's connection. Its methods don't block; false means that the connection takes no more now.
type Sink interface {
	// Batch sends pending events; the device acks them before it gets the next.
	Batch(b Batch) bool
	// Push sends one event live.
	Push(p *chat.Push) bool
	// Synced says that everything before a moment (Unix ms) was delivered.
	Synced(upTo int64)
	// Gap says that the log no longer holds what the device missed, and that reading goes on from an event.
	Gap(from chat.EventID)
	// Stale says that nothing was acked for staleAfter although something is out. It is repeated until an ack comes.
	Stale()
}

// Batch is a stretch of pending events in log order, at most chat.MaxBatch.
type Batch struct {
	Items []chat.Push // each with Event, and what it shows
	Last  chat.EventID
	More  bool
}

// Receipts is told what reached a device.
type Receipts interface {
	// Delivered: one message was acked, shown live to its sender.
	Delivered(by, sender chat.UserID, conv chat.ConversationID, m chat.MessageID)
	// MarkDelivered: everything up to a message was delivered; to be stored.
	MarkDelivered(user chat.UserID, conv chat.ConversationID, upTo chat.MessageID)
}

// Conversations reads memberships and fills what a message row refers to.
type Conversations interface {
	Membership(ctx context.Context, conv chat.ConversationID) (*chat.Membership, error)
	Hydrate(ctx context.Context, msgs []chat.Message) error
	// MessageHorizon: no message with an id up to it will still appear.
	MessageHorizon() chat.MessageID
}

// Options configure a Log. Store, Receipts, Conversations and Logger are required.
type Options struct {
	Store         store.Store
	Receipts      Receipts
	Conversations Conversations
	Logger        *slog.Logger
	// FirstVerify is how soon after activity begins a device's log is read again; VerifyInterval how often while it lasts;
	// VerifyIdle how often for a device without any.
	FirstVerify    time.Duration // default 50 ms
	VerifyInterval time.Duration // default 1 s
	VerifyIdle     time.Duration // default 30 min
	// Load says when verify reads are put off.
	Load overload.Signals
	// Workers bounds the devices that read at once. Default 64.
	Workers int
	// Now is the wall clock, by which ids tell how old an event is. What is scheduled goes by monotonic time.
	Now func() time.Time
}

// Log serves all devices of a gateway.
type Log struct {
	o    Options
	wake chan struct{}
	wg   sync.WaitGroup
	born time.Time
	lag  time.Duration // of the store's horizon
	all  atomic.Int64  // when ReadAll was last called: what was read before doesn't count (mono)

	mu        sync.Mutex
	ctx       context.Context // ends with Run; nil before
	busy      dueHeap
	idle      deviceList
	paced     pace
	rereading map[*Device]struct{} // whose step ReadAll asked for
	closed    bool
	ready     []*Device // wait for a worker, from taken on
	taken     int
	working   int
	ends      map[*Device]chan struct{} // closed with the end of steps that Close waits for

	stats Stats
}

// Stats count since the start.
type Stats struct {
	Batches, BatchItems, VerifyReads, Missed, Gaps, CursorWrites, AckWrites, Behind atomic.Int64
}

// New makes a Log; Run starts it.
func New(o Options) *Log {
	if o.FirstVerify == 0 {
		o.FirstVerify = 50 * time.Millisecond
	}
	if o.VerifyInterval == 0 {
		o.VerifyInterval = time.Second
	}
	if o.VerifyIdle == 0 {
		o.VerifyIdle = 30 * time.Minute
	}
	if o.Workers == 0 {
		o.Workers = 64
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Log{o: o, wake: make(chan struct{}, 1), born: time.Now(), ends: make(map[*Device]chan struct{}), rereading: make(map[*Device]struct{})}
	if o.Store.Inbox != nil {
		l.lag = o.Store.Inbox.Lag()
	}
	return l
}

// mono is milliseconds since the Log was made, from 1 on: it never steps as the wall clock may.
func (l *Log) mono() int64 { return time.Since(l.born).Milliseconds() + 1 }

// Stats returns the counters.
func (l *Log) Stats() *Stats { return &l.stats }

// Run schedules verify reads until ctx ends, then waits for the reads under way.
func (l *Log) Run(ctx context.Context) error {
	l.mu.Lock()
	l.ctx = ctx
	l.mu.Unlock()
	t := time.NewTimer(time.Hour)
	defer t.Stop()
	for {
		next := l.runDue()
		t.Reset(next)
		select {
		case <-ctx.Done():
			l.mu.Lock()
			l.closed = true
			l.mu.Unlock()
			l.wg.Wait()
			return nil
		case <-l.wake:
		case <-t.C:
		}
	}
}

// runDue starts what is due and returns how long nothing else is.
func (l *Log) runDue() time.Duration {
	for {
		l.mu.Lock()
		d, next := l.nextLocked(l.mono())
		l.mu.Unlock()
		if d == nil {
			return next
		}
		l.start(d)
	}
}

// start queues a device's next step for a worker. A device waits at most once. The queue is bounded by the devices; what
// runs at once by Options.Workers: a goroutine for each device that waits would leave its descriptor behind for good.
func (l *Log) start(d *Device) {
	d.mu.Lock()
	waits := d.waiting
	d.waiting = true
	d.mu.Unlock()
	if waits {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.ready = append(l.ready, d)
	if l.working < l.o.Workers {
		l.working++
		l.wg.Add(1)
		go l.work()
	}
}

// work runs steps until none waits.
func (l *Log) work() {
	defer l.wg.Done()
	var d *Device
	for {
		l.mu.Lock()
		if _, ok := l.rereading[d]; ok {
			delete(l.rereading, d)
			l.kick()
		}
		if len(l.ready) == l.taken {
			l.ready, l.taken = l.ready[:0], 0
			if cap(l.ready) > 4096 {
				l.ready = nil
			}
			l.working--
			l.mu.Unlock()
			return
		}
		d = l.ready[l.taken]
		l.ready[l.taken] = nil
		l.taken++
		if l.taken >= 4096 && l.taken > len(l.ready)/2 {
			l.ready, l.taken = l.ready[:copy(l.ready, l.ready[l.taken:])], 0
		}
		ctx := l.ctx
		l.mu.Unlock()
		if ctx == nil {
			ctx = context.Background()
		}
		d.step(ctx)
	}
}

// ReadAll has the log of every device read again, after the bus may have lost something. Idle ones are read within a time, one
// after the other, later when reads take long and not while there is too much to do; those that are busy, or reading now, at
// their next step.
func (l *Log) ReadAll(within time.Duration) {
	now := l.mono()
	l.mu.Lock()
	l.all.Store(now)
	l.paced = pace{from: now, spread: within.Milliseconds(), of: int64(l.idle.n)}
	l.mu.Unlock()
	l.kick()
}

func (l *Log) kick() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// scheduleBusy puts a device's next step at a moment (mono), unless an earlier one is planned already.
func (l *Log) scheduleBusy(d *Device, at int64) {
	l.mu.Lock()
	if d.where == inBusy && d.due <= at || l.closed {
		l.mu.Unlock()
		return
	}
	l.unscheduleLocked(d)
	l.busyAtLocked(d, at)
	first := l.busy[0] == d
	l.mu.Unlock()
	if first {
		l.kick()
	}
}

// scheduleIdle leaves a device that was last read at a moment (mono) to itself for long.
func (l *Log) scheduleIdle(d *Device, read int64) {
	l.mu.Lock()
	counts := read > l.all.Load()
	l.idleLocked(d, counts)
	l.mu.Unlock()
	if !counts {
		l.kick()
	}
}

func (l *Log) unschedule(d *Device) {
	l.mu.Lock()
	l.unscheduleLocked(d)
	l.mu.Unlock()
}

// stepEnd returns a channel that stepEnded closes.
func (l *Log) stepEnd(d *Device) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := make(chan struct{})
	l.ends[d] = end
	return end
}

func (l *Log) stepEnded(d *Device) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.ends[d])
	delete(l.ends, d)
}
