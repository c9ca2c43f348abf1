package wsconn

// Stats are counters since the start, and gauges. Cheap to read.
type Stats struct {
	Connections   int64 // WebSockets open now
	Sockets       int64 // all sockets open now: handshakes under way and closing ones too; handed-over HTTP ones not
	HTTP          int64 // connections now at the HTTP server
	Accepted      uint64
	Upgraded      uint64
	FramesIn      uint64
	FramesOut     uint64
	BytesIn       uint64
	BytesOut      uint64
	OutboundBytes int64             // queued now, over all connections
	Behind        uint64            // Sends refused with ErrBehind
	Refused       map[string]uint64 // handshakes refused, by reason (a fixed, small set)
	ProtocolErrs  uint64            // connections failed for breaking RFC 6455 or a limit
}

// Stats reads the counters.
func (s *Server) Stats() Stats { return Stats{} }
