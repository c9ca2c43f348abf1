// Package netpoll moves bytes: it accepts connections, reads them into buffers that belong to an event loop, queues and
// writes what goes out, and keeps one timer a connection. It knows nothing of WebSocket or HTTP.
//
// Two transports stand behind one Conn and pass one table of tests: epoll (Linux, TCP: event loops on raw descriptors, no
// goroutine, buffer or timer for an idle connection) and goroutine (any net.Listener, so TLS and other systems).
package netpoll
