package redissession

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session"
)

const (
	keepFor   = 24 * time.Hour // entries that nobody writes again
	pipelined = 1000           // commands in one pipeline
	maxDead   = 4096           // users that wait to be freed of dead entries; beyond it the next reader finds them again
	maxOwed   = 1 << 16        // removals, registrations and followings each to make up for; beyond it rounds and keepFor do
	maxNoted  = 1 << 17        // removals noted in a round of registering again; beyond it the round ends early
)

// Options of a Registry.
type Options struct {
	Redis *rediscluster.Cluster
	Self  session.GatewayID // whose lease Run holds
	// Local yields every connection of this gateway; it is called by Run's goroutine, takes as long as a round does, and must
	// not hold a lock that connecting needs while it yields. A connection that was taken out here by Remove must not come
	// up in a call begun later. Nil until SetLocal: nothing is registered again.
	Local func(yield func(session.Entry) bool)
	// Replaced is told when registering a local connection again found a newer one of the same device at another gateway:
	// the local one missed its replacement. It is called by Run's goroutines.
	Replaced func(local, newer session.Entry)
	// Conflict is told, once a holder, when a later start under our name holds a lease while we live.
	Conflict func(other session.GatewayID)

	Lease time.Duration // default 15 s; renewed every sixth of it
	Log   *slog.Logger
}

// Registry implements session.Registry.
type Registry struct {
	o      Options
	log    *slog.Logger
	client redis.UniversalClient
	prefix string
	self   string
	script scripts

	local   atomic.Pointer[func(yield func(session.Entry) bool)]
	changed chan string   // the cluster changed: register again soon
	dead    chan deadSlot // to be freed of entries

	start  time.Time
	view   atomic.Pointer[view]
	mild   atomic.Int64  // until then everybody counts as alive; since start
	asked  atomic.Int64  // when the leases were last asked for on the spot; since start
	fetch  chan struct{} // holds one token: who has it reads the leases
	counts Counts

	mu      sync.Mutex
	removed map[chat.DeviceID]int64         // sequences removed since the round of registering again began; nil: none runs
	owed    map[chat.DeviceID]session.Entry // removals that failed
	missing map[chat.DeviceID]session.Entry // registrations that failed
	absent  map[string]struct{}             // gateways that were asked for and have no lease
	follows map[chat.ConversationID]struct{}

	owedFollows map[chat.ConversationID]struct{} // whose following in Redis may not be what follows says
	warned      map[string]struct{}              // conflicts told of
}

// Counts are what metrics show; all only grow.
type Counts struct {
	Again    atomic.Uint64 // local connections registered again
	Freed    atomic.Uint64 // entries of dead gateways taken out
	Refused  atomic.Uint64 // registrations that a newer entry outranked
	LeaseNil atomic.Uint64 // times that our lease was found missing
}

var _ session.Registry = (*Registry)(nil)

// New makes a Registry and subscribes it to the cluster's changes; call it before the cluster runs.
func New(o Options) *Registry {
	if o.Lease <= 0 {
		o.Lease = 15 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Registry{
		o: o, log: o.Log, client: o.Redis.Client(), prefix: o.Redis.Prefix(), self: encode(o.Self), script: newScripts(),
		changed: make(chan string, 1), dead: make(chan deadSlot, maxDead), fetch: make(chan struct{}, 1), start: time.Now(),
		owed: make(map[chat.DeviceID]session.Entry), missing: make(map[chat.DeviceID]session.Entry),
		owedFollows: make(map[chat.ConversationID]struct{}), absent: make(map[string]struct{}), follows: make(map[chat.ConversationID]struct{}), warned: make(map[string]struct{}),
	}
	r.fetch <- struct{}{}
	if o.Local != nil {
		r.SetLocal(o.Local)
	}
	o.Redis.OnChange(r.onChange)
	return r
}

// SetLocal names the source of this gateway's connections, as Options.Local.
func (r *Registry) SetLocal(f func(yield func(session.Entry) bool)) { r.local.Store(&f) }

// Counts returns the counters, for metrics.
func (r *Registry) Counts() *Counts { return &r.counts }

func (r *Registry) now() int64 { return int64(time.Since(r.start)) }

// onChange is called by the cluster's goroutine.
func (r *Registry) onChange(reason string) {
	r.beMild(r.o.Lease + 5*time.Second) // by then whoever lives has renewed
	select {
	case r.changed <- reason:
	default: // one is waiting already
	}
}

func (r *Registry) beMild(d time.Duration) { r.mild.Store(max(r.mild.Load(), r.now()+int64(d))) }

// encode gives a gateway's text form; decode reads it.
func encode(g session.GatewayID) string { return hex16(g.Epoch) + g.Name }

func decode(s string) (session.GatewayID, bool) {
	n, ok := parseHex16(s)
	if !ok {
		return session.GatewayID{}, false
	}
	return session.GatewayID{Name: strings.Clone(s[16:]), Epoch: n}, true
}

// hex16 writes a number so that text order is the order of numbers from 0.
func hex16(n int64) string {
	const digits = "0123456789abcdef"
	var b [16]byte
	for i := range b {
		b[15-i] = digits[uint64(n)>>(4*i)&15]
	}
	return string(b[:])
}

func parseHex16(s string) (n int64, ok bool) {
	if len(s) < 16 {
		return 0, false
	}
	var u uint64
	for i := range 16 {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			u = u<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			u = u<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return int64(u), true
}

func (r *Registry) userKey(u chat.UserID) string {
	return r.prefix + "sess:{" + u.String() + "}"
}

func (r *Registry) channelKey(c chat.ConversationID) string {
	return r.prefix + "follow:{" + c.String() + "}"
}

// value is what an entry's device holds.
func value(e session.Entry) string { return hex16(e.Seq) + encode(e.Gateway) }

func parseValue(u chat.UserID, d chat.DeviceID, v string) (session.Entry, bool) {
	seq, ok := parseHex16(v)
	if !ok {
		return session.Entry{}, false
	}
	g, ok := decode(v[16:])
	return session.Entry{User: u, Device: d, Gateway: g, Seq: seq}, ok
}

// Register implements session.Registry. A registration of Self's that fails is made up for by Run.
func (r *Registry) Register(ctx context.Context, e session.Entry) (*session.Entry, error) {
	ctx = rediscluster.For(ctx, rediscluster.Session)
	answer, err := r.script.register.Run(ctx, r.client, []string{r.userKey(e.User)}, e.Device.String(), value(e), int(keepFor.Seconds())).StringSlice()
	if err != nil {
		r.owe(r.missing, e)
		return nil, fmt.Errorf("register a session: %w", err)
	}
	r.mu.Lock()
	if old, ok := r.missing[e.Device]; ok && old.Seq <= e.Seq {
		delete(r.missing, e.Device)
	}
	r.mu.Unlock()
	replaced, _ := r.registered(e, answer)
	return replaced, nil
}

// registered reads the answer of the script: the entry that e replaced, or the newer one that outranks it.
func (r *Registry) registered(e session.Entry, answer []string) (replaced, newer *session.Entry) {
	if len(answer) != 2 {
		return nil, nil
	}
	old, ok := parseValue(e.User, e.Device, answer[1])
	switch {
	case !ok:
		return nil, nil // not ours to understand; it is overwritten
	case answer[0] == "newer":
		r.counts.Refused.Add(1)
		return nil, &old
	default:
		return &old, nil
	}
}

// Remove implements session.Registry. A removal of Self's that fails is made up for by Run.
func (r *Registry) Remove(ctx context.Context, e session.Entry) (bool, error) {
	ctx = rediscluster.For(ctx, rediscluster.Session)
	r.noteRemoved(e)
	rest, err := r.script.remove.Run(ctx, r.client, []string{r.userKey(e.User)}, e.Device.String(), value(e)).StringSlice()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		r.owe(r.owed, e)
		return false, fmt.Errorf("remove a session: %w", err)
	}
	for _, v := range rest {
		if len(v) > 16 && r.alive(ctx, v[16:]) {
			return false, nil
		}
	}
	return true, nil
}

// Routes implements session.Registry: one round trip a thousand users. On an error the routes of those users that could be
// looked up are returned with it.
func (r *Registry) Routes(ctx context.Context, self session.GatewayID, users []chat.UserID) ([]session.Route, error) {
	ctx = rediscluster.ForUnless(ctx, rediscluster.Routes)
	me := encode(self)
	var out []session.Route
	var at []string // of out, encoded
	err := r.lookUp(ctx, users, func(u chat.UserID, values []string) {
		for _, v := range values {
			if len(v) <= 16 || v[16:] == me {
				continue
			}
			gw := v[16:]
			i := 0
			for i < len(at) && at[i] != gw {
				i++
			}
			if i < len(at) {
				if us := out[i].Users; us[len(us)-1] != u { // two devices of a user at one gateway
					out[i].Users = append(us, u)
				}
				continue
			}
			g, ok := decode(gw)
			if !ok {
				continue
			}
			if !r.alive(ctx, gw) {
				r.free(u, gw)
				continue
			}
			at = append(at, gw)
			out = append(out, session.Route{Gateway: g, Users: []chat.UserID{u}})
		}
	})
	return out, err
}

// Online implements session.Registry.
func (r *Registry) Online(ctx context.Context, users []chat.UserID) ([]bool, error) {
	ctx = rediscluster.For(ctx, rediscluster.Presence)
	on := make(map[chat.UserID]bool, len(users))
	err := r.lookUp(ctx, users, func(u chat.UserID, values []string) {
		for _, v := range values {
			if len(v) <= 16 {
				continue
			}
			if r.alive(ctx, v[16:]) {
				on[u] = true
			} else {
				r.free(u, v[16:])
			}
		}
	})
	if err != nil {
		return nil, err
	}
	out := make([]bool, len(users))
	for i, u := range users {
		out[i] = on[u]
	}
	return out, nil
}

// lookUp reads the entries of users, each once, in pipelines. The callback isn't called for users without any.
func (r *Registry) lookUp(ctx context.Context, users []chat.UserID, f func(chat.UserID, []string)) error {
	if len(users) == 0 {
		return nil
	}
	if len(users) == 1 {
		values, err := r.client.HVals(ctx, r.userKey(users[0])).Result()
		if err != nil {
			return fmt.Errorf("look up a session: %w", err)
		}
		if len(values) > 0 {
			f(users[0], values)
		}
		return nil
	}
	seen := make(map[chat.UserID]struct{}, len(users))
	var failed error
	for len(users) > 0 {
		n := min(len(users), pipelined)
		pipe := r.client.Pipeline()
		asked := make([]chat.UserID, 0, n)
		cmds := make([]*redis.StringSliceCmd, 0, n)
		for _, u := range users[:n] {
			if _, twice := seen[u]; twice {
				continue
			}
			seen[u] = struct{}{}
			asked = append(asked, u)
			cmds = append(cmds, pipe.HVals(ctx, r.userKey(u)))
		}
		users = users[n:]
		_, _ = pipe.Exec(ctx) // every command has its own error
		for i, cmd := range cmds {
			switch values, err := cmd.Result(); {
			case err != nil:
				failed = err
			case len(values) > 0:
				f(asked[i], values)
			}
		}
	}
	if failed != nil {
		return fmt.Errorf("look up sessions: %w", failed)
	}
	return nil
}
