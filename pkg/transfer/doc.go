// Package transfer moves everything that a store holds to another store, row by row, reads each row back, and can be
// stopped anywhere: the embedded store of one machine becomes the start of a cluster (murre copy).
//
// A Source hands out rows as the domain knows them, in an order of its own with a key for each; a Target writes them so
// that writing twice changes nothing, and reads them back. Copy goes between: chunks, workers, the order in which progress
// may be noted, the state file, counts and digests. Blobs copies the bytes of media.
//
// It doesn't copy what only means something where it was: node leases and the change log. It never writes to the source.
// Ownership: Copy starts its workers and waits for them; nothing outlives a call. Start with rows.go, then copy.go.
package transfer
