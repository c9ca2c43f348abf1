package loadtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/protocol"
	"github.com/murre-chat/murre/pkg/store"
)

// clusterScenarios are those of a cluster of three gateways. They run on one cluster, each with people of its own.
var clusterScenarios = []scenario{
	{name: "ready", what: "a gateway's start", run: runReady},
	{name: "counts", what: "round trips and statements a message", once: true, run: runCounts},
	{name: "closed", what: "1:1, closed loop, and the driver alone", run: runClusterClosed},
	{name: "open", what: "1:1, open loop", run: runOpen},
	{name: "group", what: "group fan-out, and the driver alone", run: runClusterGroup},
	{name: "catchup", what: "stored messages after connect", once: true, run: runCatchup},
	{name: "idle", what: "idle cost and connect rate", run: runIdle},
	{name: "growth", what: "a send's cost as histories and logs grow", once: true, run: runGrowth},
	{name: "backlog", what: "a large backlog", once: true, run: runBacklog},
	{name: "history", what: "history of a big conversation", once: true, run: runHistory},
}

// clusterBudgets are the targets of a cluster whose parts all share this machine.
var clusterBudgets = map[string]budget{
	"idle: RSS a connection":             {"KiB", 2.5, false, "33.9 · 57 · 67"},
	"connects":                           {"/s", 1500, true, "4,310 · 1,490 · 358"},
	"server CPU for 1,000 connects":      {"s", 0, false, "0.22 · 0.70 · 3.1"},
	"1:1 messages, closed loop":          {"/s", 0, true, "17,400 · 1,210 · 1,670"},
	"1:1, share of the bare driver":      {"%", 60, true, ""},
	"server CPU for 100,000 messages":    {"s", 15, false, "5.3+2.1 · 43+51 · 65+37"},
	"open loop: p50":                     {"ms", 10, false, "– · 2.1 · 2.1"},
	"open loop: p99":                     {"ms", 60, false, "– · 260 · 7.3"},
	"256-member group deliveries":        {"/s", 0, true, "96,200 · 27,900 · 13,900"},
	"group, share of the bare driver":    {"%", 60, true, ""},
	"server CPU for 1 M deliveries":      {"s", 40, false, "9.4 · 33 · 107"},
	"1,000 pending after connect":        {"ms", 150, false, "10.5 · 30 · 122"},
	"first batch of 1,000,000 pending":   {"ms", 200, false, ""},
	"history page of 50, p99":            {"ms", 30, false, ""},
	"gateway: start to ready":            {"s", 3, false, ""},
	"1:1: Redis round trips":             {"", 3, false, ""},
	"1:1: CQL statements":                {"", 4, false, ""},
	"1:1, second device: CQL statements": {"", 5, false, ""},
	"group: publishes a gateway":         {"", 1, false, ""},
}

// runReady ends a gateway and starts it again.
func runReady(ctx context.Context, r *rig) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	const victim = "gateway-1"
	if err := r.fleet.c.End(ctx, victim); err != nil {
		return err
	}
	began := time.Now()
	if err := r.fleet.c.Start(ctx, victim); err != nil {
		return err
	}
	r.res.add("ready", "gateway: start to ready", time.Since(began).Seconds(), "asked every 50 ms; after a drain")
	return nil
}

// runClusterClosed is the closed loop, and the same rows written by the bare driver with as many writers.
func runClusterClosed(ctx context.Context, r *rig) error {
	if err := runClosed(ctx, r); err != nil {
		return err
	}
	return r.beside(ctx, "closed", "1:1 messages, closed loop", "1:1, share of the bare driver", "bare driver: 1:1 messages", r.scale.pairs, 1, 1)
}

// runClusterGroup is the group, and the same inbox rows written by the bare driver.
func runClusterGroup(ctx context.Context, r *rig) error {
	if err := runGroup(ctx, r); err != nil {
		return err
	}
	to := r.scale.members - 1
	return r.beside(ctx, "group", "256-member group deliveries", "group, share of the bare driver", "bare driver: inbox rows", groupSenders, to, to)
}

// beside measures the bare driver right after a scenario and files the share that the scenario's last run had of it.
func (r *rig) beside(ctx context.Context, scenario, figure, share, name string, writers, recipients, each int) error {
	ours := r.res.last(scenario, figure)
	b, err := openBareDriver(r.fleet.c.StoreURL())
	if err != nil {
		return err
	}
	defer b.close()
	perSecond, err := b.run(ctx, writers, recipients, r.scale.warm, r.scale.measure)
	if err != nil {
		return err
	}
	if perSecond == 0 {
		return errors.New("the bare driver wrote nothing")
	}
	bound := perSecond * float64(each)
	r.res.other(scenario, name, "/s", bound, fmt.Sprintf("%d writers; message, claim and %d inbox rows each", writers, recipients))
	r.res.add(scenario, share, 100*ours/bound, "")
	return nil
}

// growthSteps are how many messages a pair's conversation and its receiver's log hold before a send is timed.
func (r *rig) growthSteps() []int {
	if r.scale.history < 1_000_000 {
		return []int{1000, 10_000}
	}
	return []int{1000, 100_000, 1_000_000}
}

// runGrowth times sends one after the other in a conversation with a long history, whose receiver has a long log behind them.
func runGrowth(ctx context.Context, r *rig) error {
	for _, n := range r.growthSteps() {
		if err := r.start(ctx); err != nil {
			return err
		}
		ps := r.people("grow", 2)
		if err := meet(ctx, r.s, ps); err != nil {
			return err
		}
		convs, err := directs(ctx, ps)
		if err != nil {
			return err
		}
		h := &hooks{}
		a, b := ps[0].socket(r.l, r.s, 0, h, 0), ps[1].socket(r.l, r.s, 0, h, 1)
		// Both are known to the server, with their cursors at the log's start, before the log grows behind them.
		base := time.Now().Add(-6*time.Hour).UnixMilli() - id.EpochMillis
		if err := r.bulk(ctx, func(ctx context.Context, s stock) error {
			return s.messages(ctx, n, 1, func(i int) *store.Append {
				return &store.Append{Kind: chat.Direct, Recipients: []chat.UserID{ps[1].id}, Message: chat.Message{
					ID: chat.MessageID(id.Make(base+int64(i)/100, bulkSlot, i%100)), Conversation: convs[0], Sender: ps[0].id,
					ClientMessageID: chat.NewClientMessageID(time.Now()), ContentType: chat.Text, Content: text(int64(i)),
				}}
			})
		}); err != nil {
			return err
		}
		b.Manual = true // the backlog stays where it is: what is timed is sending
		if _, err := r.connect(ctx, h, []*wire.Client{a}, 1, 0); err != nil {
			return err
		}
		took, err := r.timeSends(ctx, h, a, convs[0], 400)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("send: p50 with %s messages before it", number(float64(n)))
		r.res.other("growth", name, "ms", quantile(took, 50).Seconds()*1000, fmt.Sprintf("one at a time, to the ack; p99 %.2f ms", quantile(took, 99).Seconds()*1000))
	}
	return nil
}

// timeSends sends one message after the other and times each up to its ack.
func (r *rig) timeSends(ctx context.Context, h *hooks, c *wire.Client, conv chat.ConversationID, n int) ([]time.Duration, error) {
	var took []time.Duration
	var at time.Time
	seq := uint32(0)
	if err := r.on(ctx, func() {
		h.sent = func(*wire.Client, *protocol.Message) {
			took = append(took, time.Since(at))
			if len(took) < n {
				seq++
				at = time.Now()
				sendText(c, conv, 1, seq)
			}
		}
		at = time.Now()
		sendText(c, conv, 1, 0)
	}); err != nil {
		return nil, err
	}
	if err := r.settled(ctx, h, func() (string, bool) { return fmt.Sprintf("%d of %d acked", len(took), n), len(took) == n }); err != nil {
		return nil, err
	}
	return slices.Clone(took[n/4:]), nil // the first ones warm up
}
