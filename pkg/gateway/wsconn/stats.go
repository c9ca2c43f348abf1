package wsconn

import "sync/atomic"

// Stats are counters since the start, and gauges. Cheap to read.
type Stats struct {
	Connections   int64 // WebSockets open now
	Sockets       int64 // all sockets of the transport now: handshakes under way and closing ones too
	HTTP          int64 // connections now at the HTTP server
	Accepted      uint64
	Full          uint64 // closed at once because of MaxConnections
	Upgraded      uint64
	FramesIn      uint64
	FramesOut     uint64
	BytesIn       uint64
	BytesOut      uint64
	OutboundBytes int64             // queued now, over all connections
	Behind        uint64            // Sends refused with ErrBehind
	Refused       map[string]uint64 // handshakes refused, by reason (a fixed, small set)
	Failed        uint64            // connections closed for breaking RFC 6455 or a limit
}

// shard counts for one loop, so that loops don't write to each other's cache lines.
type shard struct {
	open                                          atomic.Int64
	upgraded, framesIn, framesOut, behind, failed atomic.Uint64
	refused                                       [refusalReasons]atomic.Uint64
	_                                             [64]byte
}

type refusalReason uint8

const (
	refusedMalformed refusalReason = iota
	refusedTooLarge
	refusedTimeout
	refusedUpgradeTimeout
	refusedProxyHeader
	refusedTLS
	refusedBusy
	refusedUnauthenticated
	refusedForbidden
	refusedConflict
	refusedRate
	refusedInternal
	refusedOther
	refusalReasons
)

var refusalNames = [refusalReasons]string{"malformed", "too_large", "timeout", "upgrade_timeout", "proxy_header", "tls", "busy",
	"unauthenticated", "forbidden", "conflict", "rate_limited", "internal", "other"}

// reasonOf counts a Handler's refusal by its status.
func reasonOf(status int) refusalReason {
	switch status {
	case 400:
		return refusedMalformed
	case 401:
		return refusedUnauthenticated
	case 403:
		return refusedForbidden
	case 409:
		return refusedConflict
	case 429:
		return refusedRate
	case 500:
		return refusedInternal
	case 503:
		return refusedBusy
	default:
		return refusedOther
	}
}

// Stats reads the counters.
func (s *Server) Stats() Stats {
	st := Stats{HTTP: s.handed.open.Load(), Refused: make(map[string]uint64, refusalReasons)}
	for _, t := range s.transports {
		ts := t.Stats()
		st.Sockets += ts.Open
		st.Accepted += ts.Accepted
		st.Full += ts.Full
		st.BytesIn += ts.In
		st.BytesOut += ts.Out
		st.OutboundBytes += ts.Queued
	}
	for i := range s.shards {
		h := &s.shards[i]
		st.Connections += h.open.Load()
		st.Upgraded += h.upgraded.Load()
		st.FramesIn += h.framesIn.Load()
		st.FramesOut += h.framesOut.Load()
		st.Behind += h.behind.Load()
		st.Failed += h.failed.Load()
		for reason := range h.refused {
			st.Refused[refusalNames[reason]] += h.refused[reason].Load()
		}
	}
	return st
}
