package wsconn

import (
	"context"
	"net/http"
)

// Handler decides about upgrades.
type Handler interface {
	// Upgrade answers one request to open a WebSocket: with a Peer, or with a Refusal. It may block on I/O: it runs on a
	// goroutine of its own, at most Options.MaxUpgrades at once, the rest waits in a bounded queue (503 when that is
	// full). ctx ends after Options.UpgradeTimeout, when the client leaves and when the server stops. r may be kept.
	Upgrade(ctx context.Context, r *Request) (Accept, *Refusal)
}

// Accept lets a connection in.
type Accept struct {
	Peer        Peer        // who is told what happens; never nil
	Subprotocol string      // answered in Sec-WebSocket-Protocol; empty: none. Must be one the client offered.
	Header      http.Header // more headers of the 101 answer, say Set-Cookie; may be nil
}

// Refusal answers an upgrade with an HTTP error, after which the connection closes.
type Refusal struct {
	Status int         // 400, 401, 403, 409, 429, 503, ...
	Header http.Header // say Retry-After; may be nil
	Body   []byte      // problem JSON: sent as application/problem+json unless Header has a Content-Type
}

// Peer is told what happens to one connection. Calls for one connection never overlap; they run on the connection's
// loop, so that none of them may block or do I/O: hand work on.
type Peer interface {
	// Open: the handshake is answered; Send works from here on. Messages follow after it returned.
	Open(c *Conn)
	// Message is one whole message, text (checked UTF-8) or binary. payload is valid only during the call and may be
	// overwritten by the callee.
	Message(c *Conn, payload []byte, binary bool)
	// Pong answers one of our pings.
	Pong(c *Conn)
	// Drained: data had to wait in the outbound queue because the socket was full, and now all of it was written.
	Drained(c *Conn)
	// Closed is the last call, exactly once for every Peer that an Upgrade returned: also when the client left before
	// Open (Open is then never called). code is the close code received, or the one we closed with, or 1006 when the
	// connection just ended; reason says why. Send fails from here on.
	Closed(c *Conn, code uint16, reason error)
}
