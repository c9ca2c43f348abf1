// Package client is the public Go client of Murre: a connection that comes back by itself, and the REST API.
//
// Client keeps one WebSocket open for one device. What is sent stays in a bounded outbox until the server has answered,
// over reconnects, under one clientMessageId; what arrives is given to a Handler once, in the order of the log, and is
// acknowledged when the handler has returned nil, so an application that stores in its handler never loses a message.
// REST calls everything else: accounts, conversations, history, media.
//
// It isn't a cache: it keeps no history and no conversations, only a bounded window of what it has seen, to show nothing
// twice.
//
// Goroutines: Run owns all of them (one that reads, one that calls the handler, one that repeats what is overdue), and
// has stopped them when it returns. Lock order: sendMu before mu before the acker's. sendMu is held over a socket write,
// which has a deadline: it is what keeps frames in the order of their sends.
//
// Start with client.go, then outbox.go for what goes out and receive.go for what comes in.
package client
