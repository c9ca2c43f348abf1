package cqlstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gocql/gocql"
)

const (
	// silentAfter attempts that nobody answered within one attempt's time, a node is asked last.
	silentAfter = 5
	// askAgain is how often a silent node is asked whether it answers.
	askAgain = time.Second
)

// quietLast is a host policy that asks the nodes last that take requests and don't answer: a stopped machine, a cut cable. The
// driver sees only closed connections, so without it every statement whose first replica is such a node waits for its timeout
// before it goes to the next one. A node that fell silent is asked a question of its own once a second until it answers; until
// then it is still there for those whom nobody else answered.
type quietLast struct {
	gocql.HostSelectionPolicy
	window time.Duration // of silentAfter timeouts: one attempt's
	// ask puts a question to one node.
	ask func(ctx context.Context, h *gocql.HostInfo) error
	// answers is told when a silent node answers again.
	answers func()
	log     *slog.Logger
	// over ends the questions.
	over context.Context
	end  context.CancelFunc
	wait sync.WaitGroup

	silent atomic.Int32 // nodes that are
	mu     sync.Mutex
	nodes  map[string]*quietNode // by host id
}

type quietNode struct {
	silent   atomic.Bool
	timeouts [silentAfter]time.Time // the last ones, a ring
	next     int
}

func newQuietLast(inner gocql.HostSelectionPolicy, window time.Duration, answers func(), log *slog.Logger) *quietLast {
	q := &quietLast{HostSelectionPolicy: inner, window: window, answers: answers, log: log, nodes: make(map[string]*quietNode)}
	q.over, q.end = context.WithCancel(context.Background())
	return q
}

// Init implements gocql.HostSelectionPolicy.
func (q *quietLast) Init(s *gocql.Session) {
	if q.ask == nil {
		q.ask = func(ctx context.Context, h *gocql.HostInfo) error {
			return s.Query(pingNow.cql).WithContext(ctx).SetHostID(h.HostID()).Exec()
		}
	}
	q.HostSelectionPolicy.Init(s)
}

// close ends the questions.
func (q *quietLast) close() {
	q.mu.Lock() // none is begun any more
	q.end()
	q.mu.Unlock()
	q.wait.Wait()
}

// Pick implements gocql.HostSelectionPolicy.
func (q *quietLast) Pick(query gocql.ExecutableQuery) gocql.NextHost {
	next := q.HostSelectionPolicy.Pick(query)
	var last []gocql.SelectedHost
	return func() gocql.SelectedHost {
		for h := next(); h != nil; h = next() {
			if q.silent.Load() != 0 && q.isSilent(h.Info()) {
				last = append(last, h)
				continue
			}
			return heard{h, q}
		}
		if len(last) == 0 {
			return nil
		}
		h := last[0]
		last = last[1:]
		return heard{h, q}
	}
}

// first is the node that a query would be sent to; nil: there is none.
func (q *quietLast) first(query *gocql.Query) *gocql.HostInfo {
	h := q.Pick(query)()
	if h == nil {
		return nil
	}
	return h.Info()
}

func (q *quietLast) isSilent(h *gocql.HostInfo) bool {
	q.mu.Lock()
	n := q.nodes[h.HostID()]
	q.mu.Unlock()
	return n != nil && n.silent.Load()
}

// HostDown implements gocql.HostStateNotifier: what is known to be down need not be asked.
func (q *quietLast) HostDown(h *gocql.HostInfo) {
	q.forget(h)
	q.HostSelectionPolicy.HostDown(h)
}

// RemoveHost implements gocql.HostStateNotifier.
func (q *quietLast) RemoveHost(h *gocql.HostInfo) {
	q.forget(h)
	q.HostSelectionPolicy.RemoveHost(h)
}

func (q *quietLast) forget(h *gocql.HostInfo) {
	q.mu.Lock()
	n := q.nodes[h.HostID()]
	delete(q.nodes, h.HostID())
	q.mu.Unlock()
	if n != nil {
		q.speaks(n)
	}
}

// timedOut counts an attempt that the node did not answer.
func (q *quietLast) timedOut(h *gocql.HostInfo) {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.nodes[h.HostID()]
	if n == nil {
		n = &quietNode{}
		q.nodes[h.HostID()] = n
	}
	n.timeouts[n.next] = now
	n.next = (n.next + 1) % silentAfter
	oldest := n.timeouts[n.next]
	if oldest.IsZero() || now.Sub(oldest) > q.window || q.over.Err() != nil || !n.silent.CompareAndSwap(false, true) {
		return
	}
	q.silent.Add(1)
	q.log.Warn("a CQL node doesn't answer: it is asked last", "node", h.ConnectAddressAndPort())
	q.wait.Add(1)
	go q.untilHeard(h, n)
}

// untilHeard asks a silent node until it answers.
func (q *quietLast) untilHeard(h *gocql.HostInfo, n *quietNode) {
	defer q.wait.Done()
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	for n.silent.Load() {
		select {
		case <-tick.C:
		case <-q.over.Done():
			return
		}
		ctx, cancel := context.WithTimeout(q.over, q.window)
		err := q.ask(ctx, h)
		cancel()
		if err == nil && q.speaks(n) {
			q.log.Info("a CQL node answers again", "node", h.ConnectAddressAndPort())
			q.answers()
		}
	}
}

// speaks ends a node's being silent; false: it was not.
func (q *quietLast) speaks(n *quietNode) bool {
	if !n.silent.CompareAndSwap(true, false) {
		return false
	}
	q.silent.Add(-1)
	q.mu.Lock()
	n.timeouts = [silentAfter]time.Time{}
	q.mu.Unlock()
	return true
}

// heard is a chosen node that tells the policy what came of it.
type heard struct {
	gocql.SelectedHost
	q *quietLast
}

// Mark implements gocql.SelectedHost.
func (h heard) Mark(err error) {
	if errors.Is(err, gocql.ErrTimeoutNoResponse) {
		h.q.timedOut(h.Info())
	}
	h.SelectedHost.Mark(err)
}
