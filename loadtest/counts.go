package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// counters are values by "name{label}" as a metrics page has them, summed over gateways.
type counters map[string]float64

// scrape reads the metrics of all gateways that begin with a prefix.
func (s *Server) scrape(ctx context.Context, prefixes ...string) (counters, error) {
	sum := counters{}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for _, admin := range s.admins() {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/metrics", nil)
		if err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
		b, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
		for line := range strings.Lines(string(b)) {
			name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
			if !ok || !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
				continue
			}
			if v, err := strconv.ParseFloat(value, 64); err == nil {
				sum[name] += v
			}
		}
	}
	return sum, nil
}

// since is what the counters moved by.
func (c counters) since(before counters) counters {
	out := counters{}
	for k, v := range c {
		if d := v - before[k]; d != 0 {
			out[k] = d
		}
	}
	return out
}

// The metrics that say what a message costs elsewhere, and of each those labels that belong to the way from the frame to
// the publish. The others (receipts, cursors, verify reads, leases, polls, probes) are printed apart.
const (
	redisTrips    = "murre_redis_round_trips_total"
	cqlStatements = "murre_cql_statements_total"
	cqlBatched    = "murre_cql_batched_total"
)

var (
	sendTrips      = []string{"claim", "rate", "routes", "publish"}
	sendStatements = []string{"commit", "append", "claim", "claim_cas", "bucket", "inbox", "own_inbox", "members", "message", "block", "user"}
)

// label is the value of a metric's one label.
func label(name string) string {
	_, rest, _ := strings.Cut(name, `="`)
	v, _, _ := strings.Cut(rest, `"`)
	return v
}

// split sums up a metric by whether its label is among some.
func (c counters) split(metric string, among []string) (in float64, inside, outside map[string]float64) {
	inside, outside = map[string]float64{}, map[string]float64{}
	for name, v := range c {
		if !strings.HasPrefix(name, metric+"{") {
			continue
		}
		l := label(name)
		if slices.Contains(among, l) {
			in += v
			inside[l] += v
		} else {
			outside[l] += v
		}
	}
	return in, inside, outside
}

func perMessage(m map[string]float64, n float64) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %.2f", k, m[k]/n))
	}
	return strings.Join(parts, ", ")
}

// runCounts counts what messages cost in round trips and statements: 1:1, with a second device of the sender, and to a
// group. Messages of one kind go alone, so that what moved is theirs.
func runCounts(ctx context.Context, r *rig) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	const messages = 300
	members := r.scale.members
	ps := r.people("count", members)
	if err := meet(ctx, r.s, ps); err != nil {
		return err
	}
	convs, err := directs(ctx, ps)
	if err != nil {
		return err
	}
	all, err := group(ctx, ps)
	if err != nil {
		return err
	}
	h := &hooks{}
	clients := make([]*wire.Client, members)
	for i, p := range ps {
		clients[i] = p.socket(r.l, r.s, 0, h, i)
	}
	// Pairs that speak over two gateways: a's have one device each, b's sender has two.
	a, b := -1, -1
	for i := 0; i+1 < members; i += 2 {
		if clients[i].Target != clients[i+1].Target && a >= 0 && b < 0 {
			b = i
		} else if clients[i].Target != clients[i+1].Target && a < 0 {
			a = i
		}
	}
	if b < 0 {
		return errors.New("no two pairs are on two gateways")
	}
	second := ps[b].socket(r.l, r.s, 1, h, b)
	if _, err := r.connect(ctx, h, append(slices.Clone(clients), second), connectWindow, 0); err != nil {
		return err
	}
	// From here on nobody acknowledges: receipts would be counted with the messages, for they are published too.
	if err := r.on(ctx, func() {
		for _, c := range append(clients, second) {
			c.Manual = true
		}
	}); err != nil {
		return err
	}
	// Caches fill, and what a young process looks up because it can't know is over.
	for _, from := range []int{a, b} {
		if _, err := r.countSends(ctx, h, clients[from], convs[from/2], uint32(from), 20); err != nil {
			return err
		}
	}
	if _, err := r.countSends(ctx, h, clients[a], all, 1000, 5); err != nil {
		return err
	}
	if err := r.warmUp(ctx); err != nil {
		return err
	}
	for _, kind := range []struct {
		name       string
		from       int
		conv       chat.ConversationID
		n          int
		statements int // at most; 0: no bound
		trips      int
	}{
		{"1:1", a, convs[a/2], messages, 4, 3},
		{"1:1, second device", b, convs[b/2], messages, 5, 0},
		{"group", a, all, messages / 5, 0, 0},
	} {
		moved, err := r.countSends(ctx, h, clients[kind.from], kind.conv, uint32(2000+kind.from), kind.n)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		n := float64(kind.n)
		statements, of, others := moved.split(cqlStatements, sendStatements)
		r.count(kind.name+": CQL statements", statements/n, kind.statements, fmt.Sprintf("%s, in batches of %.2f rows in all; apart: %s", perMessage(of, n), moved[cqlBatched]/n, perMessage(others, n)))
		trips, of, others := moved.split(redisTrips, sendTrips)
		r.count(kind.name+": Redis round trips", trips/n, kind.trips, perMessage(of, n)+"; apart: "+perMessage(others, n))
		if kind.name == "group" {
			// Two gateways are others than the sender's; each may be published to once.
			r.count("group: publishes a gateway", of["publish"]/n/(fleetGateways-1), 1, fmt.Sprintf("%d members at %d gateways", members, fleetGateways))
		}
	}
	return nil
}

// count files a number and holds it to a bound.
func (r *rig) count(name string, value float64, bound int, note string) {
	r.res.other("counts", name, "", value, note)
	if bound > 0 {
		r.res.atMost(name, value, float64(bound))
	}
}

// countSends sends messages one after the other, waits a while for what they bring about, and returns what moved.
func (r *rig) countSends(ctx context.Context, h *hooks, c *wire.Client, conv chat.ConversationID, who uint32, n int) (counters, error) {
	before, err := r.s.scrape(ctx, redisTrips, cqlStatements)
	if err != nil {
		return nil, err
	}
	acked := 0
	if err := r.on(ctx, func() {
		h.sent = func(from *wire.Client, _ *protocol.Message) {
			if from != c {
				return
			}
			if acked++; acked < n {
				sendText(c, conv, who, uint32(acked))
			}
		}
		sendText(c, conv, who, 0)
	}); err != nil {
		return nil, err
	}
	if err := r.settled(ctx, h, func() (string, bool) { return fmt.Sprintf("%d of %d acked", acked, n), acked >= n }); err != nil {
		return nil, err
	}
	if err := r.sleep(ctx, time.Second); err != nil {
		return nil, err
	}
	after, err := r.s.scrape(ctx, redisTrips, cqlStatements)
	if err != nil {
		return nil, err
	}
	return after.since(before), nil
}
