package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const slots = 16384

// redisNode is what one node said.
type redisNode struct {
	addr      string
	err       error
	clustered bool
	master    bool
	replicas  int // connected to this master
	version   string
	state     string            // cluster_state
	covered   int               // cluster_slots_assigned, as this node sees it
	config    map[string]string // nil: not allowed to look
	info      map[string]string
	offset    time.Duration
	roundTrip time.Duration
}

// gateway is a lease that some gateway holds.
type gateway struct {
	name  string
	epoch string
	left  time.Duration // negative: ended
}

func judgeRedis(r *Report, nodes []redisNode, gateways []gateway, own string) {
	var away, masters, alone, old, alonePort []string
	versions := map[string]bool{}
	answering := 0
	for i := range nodes {
		n := &nodes[i]
		if n.err != nil {
			away = append(away, fmt.Sprintf("%s (%s)", n.addr, n.err))
			continue
		}
		answering++
		versions[n.version] = true
		if !since(n.version, 7, 0) {
			old = append(old, n.addr)
		}
		if !n.clustered {
			alonePort = append(alonePort, n.addr)
		}
		if n.master {
			masters = append(masters, n.addr)
			if n.replicas == 0 {
				alone = append(alone, n.addr)
			}
		}
	}
	switch {
	case answering == 0:
		r.add(areaRedis, "reachable", Fail, "check the addresses and the password in --redis, the servers, and firewalls between", "none of %d: %s", len(nodes), strings.Join(away, ", "))
		return
	case len(away) > 0:
		r.add(areaRedis, "reachable", Warn, "bring them back, or take them out (redis-cli --cluster del-node) and out of --redis", "%d of %d; not %s", answering, len(nodes), strings.Join(away, ", "))
	default:
		r.add(areaRedis, "reachable", OK, "", "%s", plural(answering, "node"))
	}
	if len(alonePort) > 0 {
		r.add(areaRedis, "cluster", Fail, "cluster-enabled yes, then redis-cli --cluster create", "not in cluster mode: %s", strings.Join(alonePort, ", "))
		return
	}
	v, advice := OK, ""
	if len(old) > 0 {
		v, advice = Fail, "upgrade to 7.0 or later: older ones have no sharded pub/sub"
	}
	r.add(areaRedis, "version", v, advice, "%s", strings.Join(slices.Sorted(maps.Keys(versions)), ", "))
	judgeSlots(r, nodes, masters, alone)
	judgeRedisConfig(r, nodes)
	var clocks []reading
	for i := range nodes {
		if n := &nodes[i]; n.err == nil {
			clocks = append(clocks, reading{n.addr, n.offset, n.roundTrip})
		}
	}
	judgeClocks(r, areaRedis, clocks)
	judgeGateways(r, gateways, own)
}

func judgeSlots(r *Report, nodes []redisNode, masters, alone []string) {
	for i := range nodes {
		n := &nodes[i]
		if n.err == nil && (n.state != "ok" || n.covered != slots) {
			r.add(areaRedis, "slots", Fail, "redis-cli --cluster check "+n.addr+", then fix", "%s sees %d of %d slots, state %s", n.addr, n.covered, slots, n.state)
			return
		}
	}
	r.add(areaRedis, "slots", OK, "", "all %d, on %s", slots, plural(len(masters), "master"))
	v, advice, found := OK, "", "each master has one"
	switch {
	case len(alone) > 0:
		v, advice, found = Warn, "give each master a replica: without one its part of sessions and claims is away until it comes back", "none for "+strings.Join(alone, ", ")
	case len(masters) < 3:
		v, advice, found = Warn, "three masters can elect the follower of one that died", fmt.Sprintf("only %s", plural(len(masters), "master"))
	}
	r.add(areaRedis, "replicas", v, advice, "%s", found)
}

func judgeRedisConfig(r *Report, nodes []redisNode) {
	var evicting, deaf, unbounded, volatile []string
	looked := 0
	for i := range nodes {
		n := &nodes[i]
		if n.err != nil || n.config == nil {
			continue
		}
		looked++
		if p := n.config["maxmemory-policy"]; p != "noeviction" {
			evicting = append(evicting, n.addr+" "+p)
		}
		if n.config["maxmemory"] == "0" {
			unbounded = append(unbounded, n.addr)
		}
		if n.config["cluster-allow-pubsubshard-when-down"] == "no" {
			deaf = append(deaf, n.addr)
		}
		if n.config["appendonly"] != "yes" && n.config["save"] == "" {
			volatile = append(volatile, n.addr)
		}
	}
	if looked == 0 {
		r.add(areaRedis, "settings", Info, "look yourself: maxmemory-policy noeviction, cluster-allow-pubsubshard-when-down yes", "CONFIG isn't allowed")
		return
	}
	judgeAll(r, "eviction", Fail, looked, evicting, "none", "by", "CONFIG SET maxmemory-policy noeviction: what is evicted here are sessions and claims, not a cache")
	judgeAll(r, "pub/sub when down", Warn, looked, deaf, "goes on", "refused on", "CONFIG SET cluster-allow-pubsubshard-when-down yes: live delivery goes on while some slots have no master")
	judgeAll(r, "memory limit", Info, looked, unbounded, "set", "none on", "maxmemory below the machine's memory: at the limit writes fail, and murre goes on without; without one the kernel kills Redis")
	judgeAll(r, "persistence", Info, looked, volatile, "on", "off on", "off is fine: all of it is rebuilt. But then a master that restarts at once comes back empty; let it start late, after a replica took over")
}

// judgeAll adds a finding about a setting that is right on all nodes but some.
func judgeAll(r *Report, check string, v Verdict, looked int, wrong []string, right, otherwise, advice string) {
	if len(wrong) == 0 {
		r.add(areaRedis, check, OK, "", "%s", right)
		return
	}
	on := strings.Join(wrong, ", ")
	if len(wrong) == looked && v == Info {
		on = "all nodes"
	}
	r.add(areaRedis, check, v, advice, "%s %s", otherwise, on)
}

func judgeGateways(r *Report, gateways []gateway, own string) {
	live := map[string][]string{} // name → epochs
	for _, g := range gateways {
		if g.left > 0 {
			live[g.name] = append(live[g.name], g.epoch)
		}
	}
	names := slices.Sorted(maps.Keys(live))
	if len(names) == 0 {
		r.add(areaGateways, "live", Info, "", "none")
		return
	}
	var twice []string
	for _, n := range names {
		if len(live[n]) > 1 {
			twice = append(twice, n)
		}
	}
	if len(twice) > 0 {
		r.add(areaGateways, "live", Warn, "if it stays so after 15 s, two processes run under one name: give each its own --name", "%s; twice: %s", strings.Join(names, ", "), strings.Join(twice, ", "))
		return
	}
	r.add(areaGateways, "live", OK, "", "%s", strings.Join(names, ", "))
	if own != "" && live[own] != nil {
		r.add(areaGateways, "name", Info, "a second gateway of this name will exit", "%s is taken by a running gateway", own)
	}
}
