// Package wsconn is the WebSocket server: handshake, frames, close, pings and limits over netpoll's transports. One port
// serves everything: a request that isn't an upgrade of Options.Path goes to a net/http server with the bytes read so far.
//
// It knows RFC 6455 and nothing of chat: no ids, no JSON. A Handler decides who may come in (Upgrade) and gives each
// connection a Peer, which is told what happens to it. The library gobwas/ws lends its masking, op codes and
// close codes; its whole-frame readers are not used, because they allocate what a peer declares and block on a slow one:
// frames are cut here, incrementally, from bytes already read.
//
// Ownership. A connection belongs to one loop of its transport; parsing, Peer calls and timers happen there, one at a
// time, so that the parser needs no lock. What other goroutines may do (Send, Close, Abort, ...) goes through the
// transport's own lock. Lock order: netpoll's connection lock is a leaf; no Peer or Handler is ever called under it.
//
// An idle connection costs two small structs, a slot and a timer entry: no goroutine, buffer or time.Timer.
//
// Start with handler.go (what a user of the package implements), then conn.go, server.go, frames.go.
package wsconn
