package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// RedisPort is the port of every Redis node; the nodes differ by address.
const RedisPort = 6379

const (
	redisMasters = 3
	redisNodes   = 2 * redisMasters
	redisSlots   = 16384
)

// redisNode is one node of the Redis Cluster. It has no append-only file, as in production: what Redis holds may be lost.
func redisNode(dir, name, ip string, memoryMB int) (*process, error) {
	home := filepath.Join(dir, "data", name)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	addr := fmt.Sprintf("%s:%d", ip, RedisPort)
	return &process{
		name: name, dir: dir, cwd: home,
		argv: []string{
			"redis-server", "--bind", ip, "--port", fmt.Sprint(RedisPort), "--protected-mode", "no", "--dir", home,
			// On loopback a peer would take us for 127.0.0.1, the address that connections start from there.
			"--bind-source-addr", ip, "--cluster-announce-ip", ip,
			"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000",
			// The part of the cluster that works goes on working; a replica however stale may take over: Redis is a hint.
			"--cluster-require-full-coverage", "no", "--cluster-replica-validity-factor", "0",
			"--cluster-allow-pubsubshard-when-down", "yes",
			"--save", "", "--appendonly", "no", "--maxmemory", fmt.Sprintf("%dmb", memoryMB), "--maxmemory-policy", "noeviction",
		},
		ready: func(ctx context.Context) error {
			answer, err := redisCall(ctx, addr, "PING")
			if err == nil && answer != "PONG" {
				err = fmt.Errorf("PING answered %q", answer)
			}
			return err
		},
		wait: 20 * time.Second,
	}, nil
}

// redisJoin makes one cluster of six running nodes, masters first, each with one replica. Done already: it only waits.
func redisJoin(ctx context.Context, addrs []string) error {
	if redisProbe(addrs)(ctx) == nil {
		return nil
	}
	ids := make([]string, len(addrs))
	for i, a := range addrs {
		var err error
		if ids[i], err = redisCall(ctx, a, "CLUSTER MYID"); err != nil {
			return fmt.Errorf("join redis: %w", err)
		}
	}
	if info, err := redisCall(ctx, addrs[0], "CLUSTER INFO"); err == nil && strings.Contains(info, "cluster_slots_assigned:0") {
		for i := range redisMasters {
			from, to := i*redisSlots/redisMasters, (i+1)*redisSlots/redisMasters-1
			// An epoch of its own for each: with equal ones the nodes would have to find out first.
			for _, cmd := range []string{fmt.Sprintf("CLUSTER SET-CONFIG-EPOCH %d", i+1), fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", from, to)} {
				if _, err := redisCall(ctx, addrs[i], cmd); err != nil {
					return fmt.Errorf("join redis: %w", err)
				}
			}
		}
	}
	for _, a := range addrs[1:] {
		ip, _, _ := strings.Cut(a, ":")
		if _, err := redisCall(ctx, addrs[0], fmt.Sprintf("CLUSTER MEET %s %d", ip, RedisPort)); err != nil {
			return fmt.Errorf("join redis: %w", err)
		}
	}
	for i := redisMasters; i < len(addrs); i++ {
		// Refused until the replica has heard of its master.
		err := eventually(ctx, 20*time.Second, 50*time.Millisecond, func(ctx context.Context) error {
			_, err := redisCall(ctx, addrs[i], "CLUSTER REPLICATE "+ids[i-redisMasters])
			return err
		})
		if err != nil {
			return fmt.Errorf("join redis: %w", err)
		}
	}
	if err := eventually(ctx, 30*time.Second, 50*time.Millisecond, redisProbe(addrs)); err != nil {
		return fmt.Errorf("join redis: %w", err)
	}
	return nil
}

// redisProbe is nil once every node sees the whole cluster healthy and every replica has its master.
func redisProbe(addrs []string) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, a := range addrs {
			info, err := redisCall(ctx, a, "CLUSTER INFO")
			if err != nil {
				return err
			}
			for _, want := range []string{"cluster_state:ok", fmt.Sprintf("cluster_slots_ok:%d", redisSlots), fmt.Sprintf("cluster_known_nodes:%d", len(addrs)), fmt.Sprintf("cluster_size:%d", redisMasters)} {
				if !strings.Contains(info, want+"\r") {
					return fmt.Errorf("redis %s: not yet %s", a, want)
				}
			}
			role, err := redisCall(ctx, a, "INFO replication")
			if err != nil {
				return err
			}
			if !strings.Contains(role, "role:master") && !strings.Contains(role, "master_link_status:up") {
				return errors.New("redis " + a + ": the replica has not reached its master")
			}
			if strings.Contains(role, "role:master") && !strings.Contains(role, "connected_slaves:1") {
				return errors.New("redis " + a + ": the master has no replica")
			}
		}
		return nil
	}
}
