// Package netpoll moves bytes: it accepts connections, reads them into buffers that belong to an event loop, queues and
// writes what goes out, and keeps one timer a connection. It knows nothing of WebSocket or HTTP.
//
// Two transports stand behind one Conn and pass one table of tests: epoll (Linux, TCP: event loops on raw descriptors, no
// goroutine, buffer or timer for an idle connection) and goroutine (any net.Listener, so TLS and other systems: a
// goroutine and a buffer a connection).
//
// Ownership. A connection belongs to one loop (epoll) or to itself (goroutine); its Handler's calls never overlap. The
// outbound queue is guarded by Conn.mu, which is a leaf: nothing is called and nothing is written under it.
//
// Writing. Conn.Write never makes a system call: it queues and puts the connection on its loop's list, and wakes the loop
// when that sleeps. After the events of a turn a loop writes what was queued meanwhile, one write a connection, so that
// frames sent in one turn leave together. Writing at once from the caller was measured too (echo of 120 bytes by other
// goroutines, 2 cores): the same CPU a message, 6 to 7 µs at 20,000/s and 4 µs at 200,000/s, but nothing is gathered,
// and a fan-out to many connections would hold up its caller for all their writes.
//
// Sleeping. A loop's epoll descriptor is itself in the runtime's poller: the loop parks as a goroutine, and a deadline in
// the past wakes it, without a system call. Blocking in epoll_wait, with an eventfd to wake it, cost two to three times
// the CPU a message at 2,000/s, and five times the context switches: the runtime takes the processor from a blocked
// thread and gives it back.
//
// Reading is level-triggered, at most one buffer a connection and turn, so that a flooding peer can't starve others.
// EPOLLOUT is asked for only while a full socket makes bytes wait. Events carry (slot, generation), never descriptors: an
// event that was under way when its connection closed can't reach the next owner of the descriptor or slot.
//
// Start with conn.go and transport.go; then loop_linux.go or goroutine.go, and wheel.go.
package netpoll
