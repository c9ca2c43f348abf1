package worker

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/murre-chat/murre/loadtest/control"
	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/loadtest/result"
	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// How people behave who lost their server, as pkg/client does.
const (
	backoffMin  = 250 * time.Millisecond
	backoffMax  = 30 * time.Second
	steady      = 10 * time.Second // a connection that stood so long begins the backoff anew
	dialTimeout = 15 * time.Second
	ackTimeout  = 10 * time.Second
	// lateInLog: a cluster's horizon trails by 12 s, and a page of the log may be read 5 s before it is here.
	lateInLog = 17 * time.Second
)

// seat is one user with their device and connection.
type seat struct {
	c        wire.Client
	box      *outbox      // nil: nothing is unanswered
	at       int64        // when it was dialed, or welcomed once it is up; Unix ns
	syncedTo int64        // the highest time that a synced said, Unix ms
	later    int64        // when the server asked it to come back; 0: it didn't. Unix ns
	batch    chat.EventID // the highest out of the log on this connection
	batchAt  int64        // when it came, Unix ms
	offered  int32        // events out of the log since it came again
	epoch    uint16       // counts connections and attempts
	gateway  uint16
	attempts uint8
	wanted   bool // should be connected
	up       bool // is
	synced   bool // since it is up
	stormed  bool // was cut off by the storm, and isn't back
	was      bool // has been connected before
	again    bool // connects to see that nothing is pending
}

const never = math.MaxInt64

func (s *seat) init(w *Worker, i int) {
	user := w.setup.From + i
	s.gateway = uint16(user % len(w.targets))
	s.c = wire.Client{Loop: w.loop, Device: w.p.Device(user), User: w.p.User(user), Handler: w, Data: i}
}

// user is the number of a seat's user.
func (w *Worker) user(s *seat) int { return w.setup.From + s.c.Data }

func (w *Worker) seat(c *wire.Client) *seat { return &w.seats[c.Data] }

// elsewhere picks another gateway.
func (s *seat) elsewhere(w *Worker) {
	if n := len(w.targets); n > 1 {
		s.gateway = uint16((int(s.gateway) + 1 + w.rng.IntN(n-1)) % n)
	}
}

// ramp is how people come.
type ramp struct {
	rate    float64 // a second
	window  int
	next    int     // how many have begun to
	order   []int32 // of the seats; nil: their own
	dialing int     // who has begun to come and was never there; one who fails goes on trying
	at      float64 // when the next one comes, Unix ns
}

func (w *Worker) beginRamp(r *control.Ramp) {
	w.ramp = ramp{rate: max(r.Rate, 1e-3), window: max(r.Window, 1), at: float64(time.Now().UnixNano())}
	if r.Gateways > 0 && r.Gateways < len(w.targets) && len(w.seats) > 0 {
		w.ramp.order = w.byGateway(r.Gateways)
	}
}

// byGateway orders the seats so that the workers, which begin at as many gateways as are to have people coming at once, go
// through all of them side by side.
func (w *Worker) byGateway(together int) []int32 {
	n := len(w.targets)
	first := w.setup.From / len(w.seats) % together * n / together
	turn := func(i int32) int { return (int(w.seats[i].gateway) - first + n) % n }
	order := make([]int32, len(w.seats))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return turn(a) - turn(b) })
	return order
}

// moreRamp lets people come who are due, and says when the next one is.
func (w *Worker) moreRamp(now int64) int64 {
	r := &w.ramp
	if r.rate == 0 || r.next == len(w.seats) {
		return never
	}
	for r.next < len(w.seats) && r.dialing < r.window && r.at <= float64(now) {
		s := &w.seats[r.next]
		if r.order != nil {
			s = &w.seats[r.order[r.next]]
		}
		if r.next++; r.next == len(w.seats) {
			r.order = nil
		}
		r.at += 1e9 / r.rate
		r.dialing++
		s.wanted = true
		w.wanted++
		w.dial(s, now)
	}
	if r.dialing >= r.window {
		return never // the next welcome makes room
	}
	return int64(r.at)
}

// dial begins to connect.
func (w *Worker) dial(s *seat, now int64) {
	s.epoch++
	s.at, s.later, s.batch = now, 0, 0
	s.c.Target = wire.Target{Addr: w.targets[s.gateway], Path: "/ws"}
	s.c.Token = population.Token(w.setup.Secret, w.p.Subject(w.user(s)))
	if err := s.c.Connect(); err != nil {
		w.tally.fail("socket")
		w.failed(s, now, 0)
		return
	}
	w.timers.push(timer{at: now + dialTimeout.Nanoseconds(), seat: uint32(s.c.Data), epoch: s.epoch, kind: toGiveUp})
}

// failed plans the next attempt: full jitter, twice as long each time, on top of what the server asked for, at another gateway.
func (w *Worker) failed(s *seat, now int64, after time.Duration) {
	s.c.Token = ""
	s.epoch++
	limit := min(backoffMin<<min(s.attempts, 10), backoffMax)
	s.attempts = min(s.attempts+1, 200)
	s.elsewhere(w)
	w.timers.push(timer{at: now + after.Nanoseconds() + w.rng.Int64N(int64(limit)) + 1, seat: uint32(s.c.Data), epoch: s.epoch, kind: toConnect})
}

// down notes that a connection stands no more.
func (w *Worker) down(s *seat) {
	s.epoch++
	if s.up {
		w.connected--
		if s.synced {
			w.synced--
		}
	}
	s.up, s.synced = false, false
	if s.box != nil {
		s.box.offWire()
	}
}

// leave takes a user away, with a goodbye or without.
func (w *Worker) leave(s *seat, rude bool) {
	if rude {
		s.c.Cut()
	} else {
		s.c.Close()
	}
	s.c.Token = ""
	w.down(s)
	if s.box != nil {
		s.box.each(func(it *item) { it.left = true })
	}
	if s.wanted {
		s.wanted = false
		w.wanted--
	}
	w.tally.counts.Leaves++
}

// Welcome implements wire.Handler: the device is there, and sends what isn't answered.
func (w *Worker) Welcome(c *wire.Client, p *protocol.WelcomePayload) {
	s, now := w.seat(c), time.Now().UnixNano()
	c.Token = ""
	if want := w.p.User(w.user(s)); p.User != want {
		w.err = fmt.Errorf("worker: welcomed as user %s, not %s: is this population in the store?", p.User, want)
	}
	if !s.was {
		w.ramp.dialing--
		s.was = true
	}
	w.tally.record(result.LatencyConnect, w.micros(now), (now-s.at)/1000)
	s.up = true
	w.connected++
	w.tally.counts.Connects++
	// Until synced the time of dialing is kept, for how long the way back took.
	if s.box != nil {
		s.box.each(func(it *item) { w.put(s, it, now) })
	}
}

// Synced implements wire.Handler.
func (w *Worker) Synced(c *wire.Client, p *protocol.SyncedPayload) {
	s, now, to := w.seat(c), time.Now().UnixNano(), int64(p.UpTo)
	w.book.SyncedBack(w.user(s), s.syncedTo, to)
	s.syncedTo = max(s.syncedTo, to)
	if s.synced {
		return
	}
	s.synced = true
	w.synced++
	w.tally.record(result.LatencyCatchup, w.micros(now), (now-s.at)/1000)
	s.at = now
	if s.stormed {
		s.stormed = false
		w.stormBack++
	}
	if s.again {
		s.again = false
		if s.offered > 0 && w.judged {
			w.book.PendingLeft(w.user(s), int(s.offered))
		}
		if w.again--; w.again == 0 {
			w.tell(control.Answer{Again: &control.Done{}})
		}
	}
}

// Closed implements wire.Handler: the user comes back.
func (w *Worker) Closed(c *wire.Client, err error) {
	s, now := w.seat(c), time.Now().UnixNano()
	if s.later != 0 { // as asked
		w.tally.counts.Leaves++
		w.down(s)
		s.attempts = 0
		s.elsewhere(w)
		w.timers.push(timer{at: max(s.later, now), seat: uint32(c.Data), epoch: s.epoch, kind: toConnect})
		s.later = 0
		return
	}
	if s.up {
		w.tally.counts.Losses++
		if now-s.at > steady.Nanoseconds() {
			s.attempts = 0
		}
	}
	w.tally.fail(ending(err, s.up))
	w.down(s)
	var after time.Duration
	if refused := (*wire.RefusedError)(nil); errors.As(err, &refused) {
		after = refused.RetryAfter()
	}
	w.failed(s, now, after)
}

// ending names the end of a connection for counting.
func ending(err error, was bool) string {
	kind := wire.Ending(err)
	if kind == wire.CutOff && !was {
		return "dial"
	}
	return kind
}

// Reconnect implements wire.Drainer: the server drains and closes the connection; the device is back when it was told to,
// elsewhere. Should the connection stay open till then it is left.
func (w *Worker) Reconnect(c *wire.Client, after time.Duration) {
	s := w.seat(c)
	s.later = time.Now().Add(after).UnixNano()
	w.timers.push(timer{at: s.later, seat: uint32(c.Data), epoch: s.epoch, kind: toLeave})
}

// cutOff reports whether the storm takes a user: first one of each pair, so that somebody can write to those who are away.
func (w *Worker) cutOff(user int) bool {
	place := w.p.Place(user)
	rank := place / 2
	if place%2 == 1 {
		rank += w.p.Pairs()
	}
	return rank < w.sc.Storm.Count
}

// beginStorm cuts off, and lets who is left write to those who are away.
func (w *Worker) beginStorm() {
	now := time.Now().UnixNano()
	st := &w.sc.Storm
	w.tally.stormFrom = w.micros(now)
	for i := range w.seats {
		s := &w.seats[i]
		user := w.user(s)
		if w.cutOff(user) {
			s.stormed = true
			w.stormed++
			w.leave(s, true)
			w.timers.push(timer{at: now + int64(st.Away) + w.rng.Int64N(int64(st.Spread)+1), seat: uint32(i), kind: toComeBack})
			continue
		}
		if st.Pending > 0 && w.cutOff(w.p.Partner(user)) {
			for range st.Pending {
				at := now + int64(w.rng.Float64()*0.9*float64(st.Away))
				w.timers.push(timer{at: at, seat: uint32(i), conv: uint32(w.p.DirectOf(user)), kind: toWrite})
			}
		}
	}
}

// gentle is the time over which those who come back to see the end are spread, ns.
func (w *Worker) gentle() int64 { return int64(min(5*time.Second, w.sc.Duration/10)) + 1 }

// beginQuiet lets everybody be there and nobody write.
func (w *Worker) beginQuiet() {
	now := time.Now().UnixNano()
	w.phase = quieting
	w.traffic.rate, w.traffic.churn = 0, 0
	w.tally.steadyTo = w.micros(now)
	for i := range w.seats {
		if s := &w.seats[i]; !s.wanted {
			w.timers.push(timer{at: now + w.rng.Int64N(w.gentle()), seat: uint32(i), kind: toComeBack})
		}
	}
}

// beginAgain lets some connect again.
func (w *Worker) beginAgain(a *control.Again) error {
	now := time.Now().UnixNano()
	count := min(a.Count, len(w.seats))
	w.again, w.judged = count, a.Judge
	if count == 0 {
		return w.out.Write(control.Answer{Again: &control.Done{}})
	}
	for i := range count {
		s := &w.seats[i*len(w.seats)/count]
		w.leave(s, false)
		s.again, s.offered = true, 0
		w.timers.push(timer{at: now + w.rng.Int64N(w.gentle()), seat: uint32(s.c.Data), kind: toComeBack})
	}
	return nil
}

// tell writes an answer; a stream that doesn't take it ends the worker at the next command.
func (w *Worker) tell(a control.Answer) {
	if err := w.out.Write(a); err != nil && w.err == nil {
		w.err = err
	}
}
