// Package rediscluster is the connection to a Redis Cluster that the Redis engines of sessions, bus, admission and presence
// share. What they keep there isn't its business; whether what they kept can still be believed is.
//
// It gives them a client with short deadlines and one circuit breaker a node, so that a dead master costs nothing after its
// fifth failure and the other shards go on. It watches the cluster (Run): every 2 s it asks for the slot map and each
// master's run id, and reads a canary key in each sixteenth of the slots. A new master, a restarted one, or a canary that is
// gone or was written anew mean that data may be lost: Trusted says no for a minute, and those who asked by OnChange are
// told. The canaries carry the time of their writing by Redis's clock, so a gateway that starts half a minute after a
// failover distrusts Redis for the other half.
//
// A brand-new cluster can't be told from one that lost everything: its first minute is not trusted either.
//
// Round trips are counted by purpose (For). A Cluster is made by Open, which does no I/O; its owner calls Run, waits for it
// to return and calls Close.
//
// Lock order: mu guards the breakers alone and nothing is called under it; Run's goroutine owns what polls remember.
package rediscluster
