// Package wire is the load harness's own WebSocket client: one epoll loop in one goroutine drives tens of thousands of
// connections to a Murre server, cheaply enough to share two cores with it.
//
// Its job is the client's side of the protocol: handshake, frames, acks gathered for at most 200 ms, batch acks at once,
// answers to pings. It decides nothing about when to send what; that is the Handler's.
//
// Everything about a Client happens on its loop's goroutine: handlers run there, and Client's methods may be called only
// there. Loop.Do brings a function onto it from outside. Handlers must not block.
//
// It runs on Linux only, as the harness does. Start with client.go; loop.go is epoll, conn.go bytes and frames.
package wire
