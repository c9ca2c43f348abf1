// Package localsession is the session registry of a single process: a sharded map, about 100 bytes a user who is
// connected with one device. It keeps no leases: what it knows dies with the process that it is about.
//
// Lock order: none, one shard's lock is held at a time and nothing is called under it.
package localsession
