// Package pebblestore is the embedded engine: every port of pkg/store on one Pebble database in one folder.
//
// One committer goroutine takes all the writes that wait (group commit), gives their events ids in commit order, applies
// them as one batch, syncs, publishes a snapshot and answers the writers. Reads go through the published snapshot, so
// they see synced writes only. Compare-and-set writes are evaluated by the committer, one after another.
//
// The key layout mirrors the CQL tables (keys.go). What differs: messages are contiguous by (conversation, id), so they
// need neither buckets nor a table of buckets; inbox and claims have their time bucket first, so that expiry drops whole
// key ranges and old tables instead of rows.
//
// Ownership: DB owns the committer, the maintenance goroutine and the engine (one opened Pebble). An engine that met
// a fatal error (usually a full disk) is fenced off from the folder and replaced by a new one; see fence.go and engine.go.
// Lock order: engine.readers (held during reads), fencedFS.mu (during one file operation), engine.queueMu (no I/O).
//
// It isn't a cache, decides nothing about who may do what, and isn't safe for two processes on one folder (ErrInUse).
// Start with db.go, then commit.go and messages.go.
package pebblestore
