// Package cqlstore is the distributed engine: every port of pkg/store on Apache Cassandra 5 (4.1 upwards) or ScyllaDB, through
// gocqlx and the shard-aware gocql.
//
// The schema is cql/migrations, applied by Migrate; Open refuses any other. Statements are prepared, routed to a replica of the
// own datacenter, and marked idempotent one by one; writes that may be retried or may meet another one carry explicit
// timestamps, derived from ids. Light-weight transactions appear for usernames, node leases, membership and, while Redis can't
// be trusted, claims: never on the usual way of a message. A timeout is unknown, never failed (store.ErrUnavailable).
//
// Rows of one write that have their first replica in common go there in one unlogged batch of at most ten (rows.go). A node that
// takes requests and doesn't answer is asked last (silent.go).
//
// Rows of one write appear one by one on many nodes, so reads of logs trail the clock: Lag in inbox.go, changeLag in changes.go.
//
// Ownership: DB owns the driver's session and nothing else; it starts no goroutine of its own that outlives a call, save writes
// whose caller gave up (bounded by a deadline) and the questions to silent nodes, both waited for by Close. Safe for concurrent use.
//
// It isn't a cache and decides nothing about who may do what. Start with db.go and query.go, then append.go and inbox.go.
package cqlstore
