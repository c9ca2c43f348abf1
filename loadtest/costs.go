package loadtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/murre-chat/murre/loadtest/procfs"
	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// CostOptions say how a cluster's unit costs are measured.
type CostOptions struct {
	Bin    string        // the murre binary
	Work   string        // folder for the cluster's data
	Subnet string        // of the cluster, such as 127.0.26, which no other cluster has
	People int           // who write to each other, in pairs, each with one device
	Others int           // who are connected beside them and silent
	Rate   int           // messages a second
	Last   time.Duration // how long people write, and before that how long nobody does
	Rows   int           // messages whose rows are weighed on disk
	Out    io.Writer     // progress
}

// Costs measures what capacity is computed from and no other scenario says: statements, round trips, CPU and bytes of a
// connect, of an idle connection and of a message with everything that follows it (the receiver's ack, `read`, the
// receipts, cursors, previews), and what rows and keys weigh. One Cassandra node, every row once.
//
// People write at a steady pace. It should be about half of what the machine can do: one that has little to do shares
// fewer wake-ups and writes among messages, and each costs several times as much. What costs while nobody writes is taken
// off.
func Costs(ctx context.Context, o CostOptions) (*Result, error) {
	bo := BenchOptions{Bin: o.Bin, Work: o.Work, Runs: 1, Form: Standard, Out: o.Out, Cassandra: 1}
	res := newResult(bo)
	fl := &fleet{bin: o.Bin, work: filepath.Join(bo.work(), "murre-costs"), subnet: o.Subnet, log: o.Out, heapMB: 1024, direct: true}
	r := &rig{name: "costs", scale: bo.scale(), o: bo, res: res, fleet: fl}
	err := (&costing{rig: r, o: o}).run(ctx)
	fl.keep = err != nil
	return res, errors.Join(err, r.close(), fl.down(context.WithoutCancel(ctx)))
}

// costGroup is how many members a group has, so that the cost of a further recipient follows.
const costGroup = 10

// costing is one measurement of costs.
type costing struct {
	*rig
	o       CostOptions
	h       *hooks
	empty   spent // what goes on while nobody is connected
	ps      []*person
	convs   []chat.ConversationID // of each two people
	groups  []chat.ConversationID // of each ten
	clients []*wire.Client
	sent    int // messages
	events  int // their rows in inbox
}

func (c *costing) step(format string, args ...any) {
	_, _ = fmt.Fprintf(c.o.Out, "costs    "+format+"\n", args...)
}

func (c *costing) run(ctx context.Context) error {
	c.step("a cluster on %s.*", c.o.Subnet)
	if err := c.start(ctx); err != nil {
		return err
	}
	c.step("%d people and their conversations", c.o.People)
	c.ps = c.people("cost", c.o.People&^1)
	if err := meet(ctx, c.s, c.ps); err != nil {
		return err
	}
	var err error
	if c.convs, err = directs(ctx, c.ps); err != nil {
		return err
	}
	c.groups = make([]chat.ConversationID, len(c.ps)/costGroup)
	for i := range c.groups {
		if c.groups[i], err = group(ctx, c.ps[i*costGroup:(i+1)*costGroup]); err != nil {
			return err
		}
	}
	if err := c.connects(ctx); err != nil {
		return fmt.Errorf("connects: %w", err)
	}
	c.step("%s with connections and without a word", c.o.Last)
	idle, err := c.silence(ctx)
	if err != nil {
		return fmt.Errorf("idle: %w", err)
	}
	n := float64(len(c.clients))
	c.file("idle", idle.since(spent{}, &c.empty), n*hours(idle), 1000, "1,000 connections, an hour")
	for _, what := range []string{"", "message"} {
		if err := c.messages(ctx, idle, what, c.convs, 2, c.o.Rate); err != nil {
			return fmt.Errorf("messages: %w", err)
		}
	}
	// As many receptions a second, not as many messages.
	if err := c.messages(ctx, idle, "message to a group of 10", c.groups, costGroup, max(1, c.o.Rate/(costGroup-1))); err != nil {
		return fmt.Errorf("messages to groups: %w", err)
	}
	if err := c.rows(ctx); err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	return nil
}

// spent is what a cluster has used up to a moment.
type spent struct {
	at                    time.Time
	gateways, store, redi time.Duration // CPU
	wire                  int64         // bytes that the gateways read and wrote, clients', store's and Redis's together
	client                int64         // bytes that this process did, its clients' mostly
	keys                  int64         // bytes that the Redis masters use
	counts                counters
}

func (c *costing) spent(ctx context.Context) (s spent, err error) {
	s.at = time.Now()
	for _, name := range c.fleet.c.Members() {
		pid := c.fleet.c.Pid(name)
		t, err := procfs.CPU(pid)
		if err != nil {
			return s, err
		}
		switch kind, _, _ := strings.Cut(name, "-"); kind {
		case "gateway":
			s.gateways += t
			n, err := ioBytes(pid)
			if err != nil {
				return s, err
			}
			s.wire += n
		case "cassandra":
			s.store += t
		case "redis":
			s.redi += t
		}
	}
	masters, err := redisMasters(ctx, c.fleet.c.Redis())
	if err != nil {
		return s, err
	}
	for _, m := range masters {
		info, err := redisCLI(ctx, m, "INFO", "memory")
		if err != nil {
			return s, err
		}
		_, rest, _ := strings.Cut(info, "used_memory:")
		text, _, _ := strings.Cut(rest, "\r")
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return s, fmt.Errorf("memory of redis %s: %w", m, err)
		}
		s.keys += n
	}
	if s.client, err = ioBytes(selfPID()); err != nil {
		return s, err
	}
	s.counts, err = c.s.scrape(ctx, redisTrips, cqlStatements)
	return s, err
}

// since is what was used between two moments, less what a stretch of silence of that length would have.
func (s spent) since(before spent, idle *spent) spent {
	d := spent{
		gateways: s.gateways - before.gateways, store: s.store - before.store, redi: s.redi - before.redi,
		wire: s.wire - before.wire, client: s.client - before.client, keys: s.keys - before.keys, counts: s.counts.since(before.counts),
	}
	if idle == nil {
		return d
	}
	part := float64(s.at.Sub(before.at)) / float64(idleFor(idle))
	less := func(v *time.Duration, by time.Duration) { *v = max(0, *v-time.Duration(float64(by)*part)) }
	less(&d.gateways, idle.gateways)
	less(&d.store, idle.store)
	less(&d.redi, idle.redi)
	d.wire = max(0, d.wire-int64(float64(idle.wire)*part))
	d.client = max(0, d.client-int64(float64(idle.client)*part))
	for k := range d.counts {
		d.counts[k] = max(0, d.counts[k]-idle.counts[k]*part)
	}
	return d
}

// idleFor is how long a stretch of silence was: its at is its length, counted from the zero time.
func idleFor(s *spent) time.Duration { return s.at.Sub(time.Time{}) }

func hours(s spent) float64 { return idleFor(&s).Hours() }

// total is the sum of a metric over its labels.
func (s *spent) total(metric string) (sum float64) {
	for name, v := range s.counts {
		if strings.HasPrefix(name, metric+"{") {
			sum += v
		}
	}
	return sum
}

// file files the counts of n things.
func (c *costing) file(what string, d spent, n float64, per float64, unit string) {
	total := func(metric string) (sum float64, of map[string]float64) {
		of = map[string]float64{}
		for name, v := range d.counts {
			if strings.HasPrefix(name, metric+"{") {
				of[label(name)] += v
				sum += v
			}
		}
		maps.DeleteFunc(of, func(_ string, v float64) bool { return v/n < 0.005 })
		return sum, of
	}
	statements, of := total(cqlStatements)
	c.res.other("costs", what+": CQL statements", "", statements/n, perMessage(of, n))
	trips, of := total(redisTrips)
	c.res.other("costs", what+": Redis round trips", "", trips/n, perMessage(of, n))
	c.res.other("costs", what+": gateway CPU for "+unit, "s", d.gateways.Seconds()/n*per, "")
	c.res.other("costs", what+": store CPU for "+unit, "s", d.store.Seconds()/n*per, "Cassandra, one node, every row once")
	c.res.other("costs", what+": Redis CPU for "+unit, "s", d.redi.Seconds()/n*per, "three masters and three replicas")
	c.res.other("costs", what+": bytes of gateways", "B", float64(d.wire)/n, "read and written, clients', store's and Redis's together, before TCP and IP")
	c.res.other("costs", what+": bytes of clients", "B", float64(d.client)/n, "read and written by the harness")
}

// connects brings everybody up twice: the first time devices are made, the second time counts.
func (c *costing) connects(ctx context.Context) error {
	c.h = &hooks{}
	for i, p := range append(c.ps, c.people("silent", c.o.Others)...) {
		c.clients = append(c.clients, p.socket(c.l, c.s, 0, c.h, i))
	}
	c.step("%d connects", len(c.clients))
	slab, err := socketBytes()
	if err != nil {
		return err
	}
	if _, err := c.connect(ctx, c.h, c.clients, 50, 0); err != nil {
		return err
	}
	grown, err := socketBytes()
	if err != nil {
		return err
	}
	c.res.other("costs", "kernel bytes a connection's end", "B", float64(grown-slab)/2/float64(len(c.clients)), fmt.Sprintf("sockets, files, inodes, epoll items in /proc/slabinfo; %d connections with both ends here", len(c.clients)))
	if err := c.warmUp(ctx); err != nil { // gateways believe Redis
		return err
	}
	if err := c.on(ctx, func() { cutAll(c.clients) }); err != nil {
		return err
	}
	if err := c.sleep(ctx, 20*time.Second); err != nil { // registrations of the gone are taken back
		return err
	}
	c.step("%s of nobody", c.o.Last)
	if c.empty, err = c.silence(ctx); err != nil {
		return err
	}
	c.res.other("costs", "no connections: gateway CPU for a gateway, an hour", "s", c.empty.gateways.Seconds()/hours(c.empty)/fleetGateways, "")
	c.res.other("costs", "no connections: store CPU, an hour", "s", c.empty.store.Seconds()/hours(c.empty), "the node by itself, and the gateways' polls")
	c.res.other("costs", "no connections: Redis CPU, an hour", "s", c.empty.redi.Seconds()/hours(c.empty), "six processes and their cluster")
	c.res.other("costs", "no connections: CQL statements a gateway and second", "/s", c.empty.total(cqlStatements)/hours(c.empty)/3600/fleetGateways, "polls, leases")
	memory, err := c.s.rss()
	if err != nil {
		return err
	}
	c.res.other("costs", "no connections: RSS of a gateway", "MiB", float64(memory)/fleetGateways/(1<<20), "after its connections have gone")
	before, err := c.spent(ctx)
	if err != nil {
		return err
	}
	if _, err := c.connect(ctx, c.h, c.clients, 50, 0); err != nil {
		return err
	}
	if err := c.sleep(ctx, 5*time.Second); err != nil {
		return err
	}
	after, err := c.spent(ctx)
	if err != nil {
		return err
	}
	d, n := after.since(before, &c.empty), float64(len(c.clients))
	c.file("connect", d, n, 1000, "1,000")
	c.res.other("costs", "Redis bytes a connected device", "B", float64(d.keys)/n, fmt.Sprintf("used_memory of the masters, %d devices", len(c.clients)))
	return nil
}

// silence is what a stretch of doing nothing takes.
func (c *costing) silence(ctx context.Context) (spent, error) {
	before, err := c.spent(ctx)
	if err != nil {
		return spent{}, err
	}
	if err := c.sleep(ctx, c.o.Last); err != nil {
		return spent{}, err
	}
	after, err := c.spent(ctx)
	if err != nil {
		return spent{}, err
	}
	d := after.since(before, nil)
	d.at = time.Time{}.Add(after.at.Sub(before.at))
	return d, nil
}

// messages has people write at a steady pace, in turn in each conversation, whose members stand one behind the other;
// everything is acked, and read at once. With what "" nothing is filed.
func (c *costing) messages(ctx context.Context, idle spent, what string, convs []chat.ConversationID, members, rate int) error {
	last := c.o.Last
	if what == "" { // the store's machine code is made, caches fill
		last /= 4
	}
	c.step("%s: %d a second for %s", cmp.Or(what, "to warm up"), rate, last)
	n := rate * int(last.Seconds())
	words := newWording(uint64(members))
	sent, acked, received := 0, 0, 0
	read := protocol.ClientFrame{Type: protocol.TypeRead}
	send := func() {
		i := sent * 7919 % len(convs) // neighbours aren't one after the other
		f := protocol.ClientFrame{Type: protocol.TypeMessage}
		f.Message = protocol.SendFrame{
			Conversation: convs[i], ClientMessage: clientID(time.Now().UnixNano(), uint32(i), uint32(c.sent+sent)),
			ContentType: chat.Text, Content: words.text(textBytes),
		}
		sent++
		c.clients[i*members].Send(&f)
	}
	if err := c.on(ctx, func() {
		c.h.sent = func(*wire.Client, *protocol.Message) { acked++ }
		c.h.message = func(to *wire.Client, m *protocol.Message, _ bool) {
			received++
			read.Read = protocol.ReadFrame{Conversation: m.Conversation, UpTo: m.ID}
			to.Send(&read)
		}
	}); err != nil {
		return err
	}
	before, err := c.spent(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for due := 0; due < n; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		due = min(n, int(time.Since(began).Seconds()*float64(rate)))
		if err := c.on(ctx, func() {
			for sent < due {
				send()
			}
		}); err != nil {
			return err
		}
	}
	if err := c.settled(ctx, c.h, func() (string, bool) {
		return fmt.Sprintf("%d sent, %d acked, %d received", sent, acked, received), acked >= n && received >= n*(members-1)
	}); err != nil {
		return err
	}
	if err := c.sleep(ctx, 15*time.Second); err != nil { // verify reads and cursors follow the horizon
		return err
	}
	after, err := c.spent(ctx)
	if err != nil {
		return err
	}
	c.sent += n
	c.events += n * (members - 1)
	if what == "" {
		return nil
	}
	d := after.since(before, &idle)
	c.file(what, d, float64(n), 1e5, "100,000")
	if members == 2 {
		c.res.other("costs", "Redis bytes a claim", "B", float64(d.keys)/float64(n), fmt.Sprintf("used_memory of the masters, %d messages", n))
	}
	return nil
}
