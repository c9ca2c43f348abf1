package loadtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// redisCLI sends one command to one node and returns its answer.
func redisCLI(ctx context.Context, addr string, args ...string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("redis %s: %w", addr, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "redis-cli", append([]string{"-e", "-h", host, "-p", port}, args...)...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("redis %s: %s: %w: %s", addr, strings.Join(args, " "), err, text)
	}
	return text, nil
}

// redisMasters are the nodes that hold slots now.
func redisMasters(ctx context.Context, nodes []string) ([]string, error) {
	var masters []string
	for _, a := range nodes {
		info, err := redisCLI(ctx, a, "INFO", "replication")
		if err != nil {
			return nil, err
		}
		if strings.Contains(info, "role:master") {
			masters = append(masters, a)
		}
	}
	if len(masters) == 0 {
		return nil, errors.New("redis: no master")
	}
	return masters, nil
}

func (s *siege) masters(ctx context.Context) ([]string, error) {
	return redisMasters(ctx, s.fl.c.Redis())
}

func killRedisMaster(ctx context.Context, s *siege, p pace) error {
	masters, err := s.masters(ctx)
	if err != nil {
		return err
	}
	at := masters[s.n%len(masters)]
	victim := s.fl.at(at)
	s.note("%s", victim)
	s.struck()
	s.ceased()
	if err := s.fl.c.Kill(ctx, victim); err != nil {
		return err
	}
	s.after(func(ctx context.Context) error { return s.fl.c.Start(ctx, victim) })
	if err := s.wait(ctx, p.lasting(20*time.Second)); err != nil {
		return err
	}
	return s.fl.c.Start(ctx, victim)
}

func stopRedis(ctx context.Context, s *siege, p pace) error {
	nodes := s.fl.c.Redis()
	start := func(ctx context.Context) error {
		var errs []error
		for _, a := range nodes {
			errs = append(errs, s.fl.c.Start(ctx, s.fl.at(a)))
		}
		return errors.Join(errs...)
	}
	s.struck()
	s.after(start)
	for _, a := range nodes {
		if err := s.fl.c.Kill(ctx, s.fl.at(a)); err != nil {
			return err
		}
	}
	if err := s.wait(ctx, p.lasting(60*time.Second)); err != nil {
		return err
	}
	if err := start(ctx); err != nil {
		return err
	}
	// The cluster counts as back when it says so itself: its nodes must find each other first.
	if err := s.fl.redisOK(ctx); err != nil {
		return err
	}
	s.ceased()
	return nil
}

// redisOK waits until every node says that the cluster is whole.
func (fl *fleet) redisOK(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		whole := true
		var last error
		for _, a := range fl.c.Redis() {
			info, err := redisCLI(ctx, a, "CLUSTER", "INFO")
			if err != nil || !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_slots_fail:0") {
				whole, last = false, err
			}
		}
		if whole {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("the Redis Cluster isn't whole: %w", errors.Join(ctx.Err(), last))
		}
	}
}

func flushRedis(ctx context.Context, s *siege, _ pace) error {
	masters, err := s.masters(ctx)
	if err != nil {
		return err
	}
	s.struck()
	for _, a := range masters {
		if _, err := redisCLI(ctx, a, "FLUSHALL", "SYNC"); err != nil {
			return err
		}
	}
	s.ceased()
	return nil
}

// migrateSlot moves the slot of a subscribed shard channel to another master, keys and all, as an operator would.
func migrateSlot(ctx context.Context, s *siege, p pace) error {
	masters, err := s.masters(ctx)
	if err != nil {
		return err
	}
	type place struct{ channel, node string }
	var found []place
	for _, a := range masters {
		list, err := redisCLI(ctx, a, "PUBSUB", "SHARDCHANNELS")
		if err != nil {
			return err
		}
		for _, channel := range strings.Fields(list) {
			found = append(found, place{channel, a})
		}
	}
	if len(found) == 0 {
		return errors.New("no gateway is subscribed to a shard channel")
	}
	slices.SortFunc(found, func(a, b place) int { return strings.Compare(a.channel, b.channel) })
	from := found[s.n%len(found)]
	to := masters[(slices.Index(masters, from.node)+1)%len(masters)]
	slot, err := redisCLI(ctx, from.node, "CLUSTER", "KEYSLOT", from.channel)
	if err != nil {
		return err
	}
	fromID, err := redisCLI(ctx, from.node, "CLUSTER", "MYID")
	if err != nil {
		return err
	}
	toID, err := redisCLI(ctx, to, "CLUSTER", "MYID")
	if err != nil {
		return err
	}
	s.note("%s, slot %s, %s to %s", from.channel, slot, s.fl.at(from.node), s.fl.at(to))
	s.struck()
	if _, err := redisCLI(ctx, to, "CLUSTER", "SETSLOT", slot, "IMPORTING", fromID); err != nil {
		return err
	}
	if _, err := redisCLI(ctx, from.node, "CLUSTER", "SETSLOT", slot, "MIGRATING", toID); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(to)
	if err != nil {
		return fmt.Errorf("redis %s: %w", to, err)
	}
	for {
		keys, err := redisCLI(ctx, from.node, "CLUSTER", "GETKEYSINSLOT", slot, "100")
		if err != nil {
			return err
		}
		if keys == "" {
			break
		}
		move := append([]string{"MIGRATE", host, port, "", "0", "5000", "REPLACE", "KEYS"}, strings.Split(keys, "\n")...)
		if _, err := redisCLI(ctx, from.node, move...); err != nil {
			return err
		}
	}
	for _, a := range append([]string{to, from.node}, masters...) {
		if _, err := redisCLI(ctx, a, "CLUSTER", "SETSLOT", slot, "NODE", toID); err != nil {
			return err
		}
	}
	s.ceased()
	return s.wait(ctx, p.lasting(5*time.Second))
}

// dropPubSub makes one gateway's subscription deaf without closing it, as a firewall does that forgot the connection.
func dropPubSub(ctx context.Context, s *siege, p pace) error {
	type flow struct{ client, server string }
	var flows []flow
	for _, a := range s.fl.c.Redis() {
		list, err := redisCLI(ctx, a, "CLIENT", "LIST", "TYPE", "pubsub")
		if err != nil {
			return err
		}
		for line := range strings.Lines(list) {
			fields := map[string]string{}
			for _, f := range strings.Fields(line) {
				k, v, _ := strings.Cut(f, "=")
				fields[k] = v
			}
			if n := fields["ssub"]; fields["addr"] != "" && n != "" && n != "0" {
				flows = append(flows, flow{fields["addr"], a})
			}
		}
	}
	if len(flows) == 0 {
		return errors.New("no node of the Redis Cluster has a client with a shard subscription")
	}
	slices.SortFunc(flows, func(a, b flow) int { return strings.Compare(a.client, b.client) })
	f := flows[s.n%len(flows)]
	s.note("one of %d subscriptions", len(flows))
	s.struck()
	if err := dropPackets(ctx, f.client, f.server); err != nil {
		return err
	}
	s.after(passPackets)
	s.ceased() // the cause stays; what counts is how long the gateway takes to find out and to subscribe anew
	return s.wait(ctx, max(p.lasting(20*time.Second), 12*time.Second))
}

// filterTable is the nftables table of dropPackets.
const filterTable = "murre_faults"

// dropPackets drops what two TCP endpoints (host:port) send each other. It needs root.
func dropPackets(ctx context.Context, a, b string) error {
	rules := "add table ip " + filterTable + "\nflush table ip " + filterTable + "\nadd chain ip " + filterTable + " in { type filter hook input priority 0; }\n"
	for _, way := range [][2]string{{a, b}, {b, a}} {
		from, fromPort, err1 := net.SplitHostPort(way[0])
		to, toPort, err2 := net.SplitHostPort(way[1])
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("drop packets: %w", err)
		}
		rules += fmt.Sprintf("add rule ip %s in ip saddr %s ip daddr %s tcp sport %s tcp dport %s drop\n", filterTable, from, to, fromPort, toPort)
	}
	return nft(ctx, rules)
}

// passPackets takes the filter away.
func passPackets(ctx context.Context) error {
	return nft(ctx, "add table ip "+filterTable+"\ndelete table ip "+filterTable+"\n")
}

func nft(ctx context.Context, rules string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft (packets of an established connection can be dropped by root only, with the package nftables): %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
