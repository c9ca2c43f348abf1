// Package worker is one process of a load run: some thousands of users, each with a device and a connection, on one epoll
// loop. The controller says when to connect, to chat, to be cut off and to be quiet; what people do in between follows
// from the scenario and the seed.
//
// Messages are open loop: each is due at a moment that a Poisson process chose before, and its latency counts from that
// moment, whether the client came to it in time or not. Clients do their duties as pkg/client does: acks, receipts,
// retries under the same clientMessageId, reconnecting with jitter, never twice at one gateway that refused.
//
// A connection costs one seat in an array, one conn of the package wire, and whatever the ledger keeps of what was said;
// tokens and texts are made when they are needed and dropped.
//
// All state belongs to the loop's goroutine: commands are handed to it. Start with worker.go; seat.go is how people come
// and go, writing.go and receiving.go what they say, timers.go what waits, tally.go what is reported.
package worker
