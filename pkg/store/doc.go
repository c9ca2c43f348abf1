// Package store declares the ports to the durable store, one interface a concern, with the promises that every engine
// keeps and storetest checks. pebblestore is the embedded engine; cqlstore (Scylla/Cassandra) is the distributed one.
//
// It isn't a cache and decides nothing about who may do what: that is pkg/service. Promises common to all ports:
//   - A write that returned nil is durable: it survives kill -9 and a power cut. An error means *unknown*, never *failed*:
//     the caller may retry the same write, and every write is idempotent under a retry.
//   - Reads see durable writes only.
//   - A missing row is ErrNotFound; a lost compare-and-set is ErrConflict; no driver's error crosses a port.
//   - Every read is bounded by a limit.
//
// Start with store.go, then messages.go and inbox.go.
package store
