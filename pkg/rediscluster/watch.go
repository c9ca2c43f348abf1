package rediscluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/murre-chat/murre/pkg/breaker"
)

// watch is what one poll remembers for the next.
type watch struct {
	keys    [regions]string
	values  [regions]string   // of the canaries; "" until first read
	masters map[string]string // address → run id; nil until first read
	failing time.Time         // when the first of the failed polls in a row began; zero: the last succeeded
	down    bool              // it failed for longer than one interval
	told    time.Time         // when listeners were last told
}

// hurry is the time between polls while they fail, and between reloads of the slot map because a node failed.
const hurry = 500 * time.Millisecond

// again is the least time between two tellings of a loss that may be one and the same.
func (c *Cluster) again() time.Duration { return c.opt.Settle / 6 }

// lookScript reads a canary, writes it where it is missing, and with renew anew unless it is younger than the settling time: of many
// gateways that notice a failover only the first renews it. It returns the value and the age in ms by Redis's clock.
const lookScript = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local v = redis.call('GET', KEYS[1])
local at = v and tonumber(string.match(v, '^%d+'))
if not at or (ARGV[2] == 'renew' and now - at > tonumber(ARGV[3])) then
  at = now
  v = string.format('%.0f', now) .. ':' .. ARGV[1]
  redis.call('SET', KEYS[1], v)
end
return {v, now - at}`

// Run watches the cluster until ctx ends. Before its first look Redis isn't trusted.
func (c *Cluster) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			c.okUntil.Store(0)
			return nil
		case reason := <-c.suspects:
			c.tellOnce(reason)
		case <-timer.C:
			c.poll(ctx)
			next := c.opt.Poll
			if !c.watch.failing.IsZero() {
				next = min(next, hurry)
			}
			timer.Reset(next)
		}
	}
}

func (c *Cluster) poll(ctx context.Context) {
	began := time.Now()
	call, cancel := context.WithTimeout(For(ctx, Topology), 2*c.opt.Timeout)
	defer cancel()
	reasons, err := c.lookAround(call)
	if ctx.Err() != nil {
		return
	}
	w := &c.watch
	if err != nil {
		c.okUntil.Store(0)
		if w.failing.IsZero() {
			w.failing = began
		}
		if !w.down && time.Since(w.failing) > c.opt.Poll {
			w.down = true
			c.log.Warn("redis cluster is down or in part", "error", err)
		}
	} else {
		c.okUntil.Store(int64(time.Since(c.start) + 3*c.opt.Poll + 2*c.opt.Timeout))
		if w.down {
			reasons = append(reasons, "redis is back")
		}
		w.failing, w.down = time.Time{}, false
	}
	for _, r := range reasons {
		c.tell(r)
	}
}

// reloadSoon has the slot map read again, in the background: a node failed, and another may have taken its place.
func (c *Cluster) reloadSoon(ctx context.Context) {
	now, last := int64(time.Since(c.start)), c.reloaded.Load()
	if now-last >= int64(hurry) && c.reloaded.CompareAndSwap(last, now) {
		c.client.ReloadState(ctx)
	}
}

// lookAround reloads the slot map, asks every master who it is and reads the canaries. It returns what listeners should
// know, also together with an error.
func (c *Cluster) lookAround(ctx context.Context) (reasons []string, err error) {
	w := &c.watch
	now, err := c.askMasters(ctx)
	if len(now) == 0 && err == nil {
		err = errors.New("redis cluster without masters")
	}
	changed := make(map[string]bool)
	if w.masters != nil {
		for addr, run := range now {
			if was, ok := w.masters[addr]; !ok || (run != "" && was != "" && was != run) {
				changed[addr] = true
				reasons = append(reasons, fmt.Sprintf("master changed: %s", addr))
			}
		}
	}
	if len(changed) > 0 {
		c.distrustFor(c.opt.Settle)
	}
	if len(now) > 0 {
		for addr, run := range now {
			if run == "" { // it didn't answer: what is known of it stands
				now[addr] = w.masters[addr]
			}
		}
		w.masters = now
		c.publishMasters(now)
	}
	if err != nil {
		return reasons, err
	}
	lost, err := c.readCanaries(ctx, changed)
	return append(reasons, lost...), err
}

// askMasters returns the masters that hold slots with their run ids, "" for one that doesn't answer.
func (c *Cluster) askMasters(ctx context.Context) (map[string]string, error) {
	var mu sync.Mutex
	found := make(map[string]string)
	err := c.client.ForEachMaster(ctx, func(ctx context.Context, n *redis.Client) error {
		addr := n.Options().Addr
		info, err := n.Info(ctx, "server").Result()
		run := ""
		if err == nil {
			run = field(info, "run_id")
		}
		mu.Lock()
		defer mu.Unlock()
		found[addr] = run
		if err != nil {
			return fmt.Errorf("ask redis master %s: %w", addr, err)
		}
		return nil
	})
	mu.Lock()
	defer mu.Unlock()
	return found, err
}

// field cuts one value out of the answer to INFO.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (c *Cluster) publishMasters(now map[string]string) {
	addrs := make([]string, 0, len(now))
	bs := make([]*breaker.Breaker, 0, len(now))
	for addr := range now {
		addrs = append(addrs, addr)
		bs = append(bs, c.breaker(addr))
	}
	c.masters.Store(&addrs)
	c.onMaster.Store(&bs)
	c.forget(now)
}

// readCanaries reads all canaries in one round trip, renewing those on changed masters.
func (c *Cluster) readCanaries(ctx context.Context, changed map[string]bool) (reasons []string, err error) {
	w := &c.watch
	stamp := strconv.FormatInt(time.Now().UnixNano(), 36)
	settle := c.opt.Settle.Milliseconds()
	pipe := c.client.Pipeline()
	cmds := make([]*redis.Cmd, regions)
	for i, key := range w.keys {
		mode := "read"
		if len(changed) > 0 {
			if n, err := c.client.MasterForKey(ctx, key); err == nil && changed[n.Options().Addr] {
				mode = "renew"
			}
		}
		cmds[i] = pipe.Eval(ctx, lookScript, []string{key}, stamp, mode, settle)
	}
	_, _ = pipe.Exec(ctx) // every command has its own error
	lost := 0
	for i, cmd := range cmds {
		reply, e := cmd.Slice()
		if e != nil {
			if err == nil {
				err = fmt.Errorf("read a canary: %w", e)
			}
			continue
		}
		value, age, ok := canary(reply)
		if !ok {
			return nil, fmt.Errorf("read canary %s: unexpected answer", w.keys[i])
		}
		old := w.values[i]
		w.values[i] = value
		if old == value {
			continue
		}
		if age < c.opt.Settle {
			c.distrustFor(c.opt.Settle - age)
		}
		if old != "" && len(changed) == 0 {
			lost++
		}
	}
	if lost > 0 && time.Since(w.told) >= c.again() {
		reasons = append(reasons, fmt.Sprintf("data lost: %d of %d canaries are gone", lost, regions))
	}
	return reasons, err
}

func canary(reply []any) (value string, age time.Duration, ok bool) {
	if len(reply) != 2 {
		return "", 0, false
	}
	value, ok = reply[0].(string)
	ms, isInt := reply[1].(int64)
	return value, time.Duration(max(ms, 0)) * time.Millisecond, ok && isInt
}

// tellOnce tells unless listeners were told a moment ago.
func (c *Cluster) tellOnce(reason string) {
	if time.Since(c.watch.told) >= c.again() {
		c.tell(reason)
	}
}

func (c *Cluster) tell(reason string) {
	c.watch.told = time.Now()
	c.log.Warn("redis cluster changed", "reason", reason)
	for _, f := range c.listeners {
		f(reason)
	}
}
