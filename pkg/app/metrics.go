package app

import (
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/observe"
	"github.com/murre-chat/murre/pkg/protocol"
	"github.com/murre-chat/murre/pkg/router"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

// measure registers everything that can be counted. The parts count in plain atomics; they are asked at a scrape.
func (a *App) measure(m *observe.Metrics) {
	m.Gauge("ready", "1 while the server takes traffic.", func() float64 {
		if a.draining.Load() || !a.serving.Load() {
			return 0
		}
		return 1
	})
	a.measureSockets(m)
	a.measureGateway(m)
	a.measureInbox(m)
	a.engines.measure(m)
}

// timed is a gateway whose deliveries of messages are timed.
type timed struct {
	router.Local
	fanout, delivery *observe.Histogram
}

// Deliver implements router.Local.
func (t timed) Deliver(p *chat.Push) {
	if p.Kind != chat.PushMessage {
		t.Local.Deliver(p)
		return
	}
	began := time.Now()
	t.Local.Deliver(p)
	ended := time.Now()
	t.fanout.Observe(ended.Sub(began))
	if p.Event.ID != 0 {
		t.delivery.Observe(ended.Sub(p.Event.ID.Time()))
	}
}

func (a *App) measureSockets(m *observe.Metrics) {
	m.Gauge("websockets", "WebSockets open now.", func() float64 { return float64(a.server.Stats().Connections) })
	m.Gauge("sockets", "Sockets open now, handshakes and closing ones included.", func() float64 { return float64(a.server.Stats().Sockets) })
	m.Gauge("http_connections", "Connections at the HTTP server now.", func() float64 { return float64(a.server.Stats().HTTP) })
	m.Counter("accepted_total", "Connections accepted.", func() float64 { return float64(a.server.Stats().Accepted) })
	m.Counter("upgraded_total", "WebSockets opened.", func() float64 { return float64(a.server.Stats().Upgraded) })
	m.Counter("broken_total", "WebSockets closed for breaking the protocol or a limit.", func() float64 { return float64(a.server.Stats().Failed) })
	m.Labelled(observe.Grows, "handshakes_refused_total", "Handshakes refused.", "reason", func(emit func(string, float64)) {
		for reason, n := range a.server.Stats().Refused {
			emit(reason, float64(n))
		}
	})
	m.Labelled(observe.Grows, "frames_total", "WebSocket frames.", "direction", func(emit func(string, float64)) {
		s := a.server.Stats()
		emit("in", float64(s.FramesIn))
		emit("out", float64(s.FramesOut))
	})
	m.Labelled(observe.Grows, "socket_bytes_total", "Bytes of WebSockets.", "direction", func(emit func(string, float64)) {
		s := a.server.Stats()
		emit("in", float64(s.BytesIn))
		emit("out", float64(s.BytesOut))
	})
	m.Gauge("outbound_bytes", "Bytes that wait to be written, over all connections.", func() float64 { return float64(a.server.Stats().OutboundBytes) })
	m.Counter("outbound_refused_total", "Frames refused by a full outbound queue.", func() float64 { return float64(a.server.Stats().Behind) })
}

func (a *App) measureGateway(m *observe.Metrics) {
	g := &a.gateway.Stats
	m.Gauge("connections", "Devices connected now.", func() float64 { return float64(g.Connected.Load()) })
	m.Counter("connects_total", "Devices connected.", func() float64 { return float64(g.Connects.Load()) })
	m.Counter("connects_refused_total", "Upgrades refused: not signed in, over a limit, draining.", func() float64 { return float64(g.Refused.Load()) })
	m.Counter("replaced_total", "Connections replaced by a newer one of the same device.", func() float64 { return float64(g.Replaced.Load()) })
	m.Labelled(observe.Grows, "client_frames_total", "Frames of clients by type; malformed ones too.", "type", func(emit func(string, float64)) {
		for t := range protocol.Types {
			name := protocol.Type(t).String()
			if t == 0 {
				name = "malformed"
			}
			if t == 0 || t <= int(protocol.TypePing) {
				emit(name, float64(g.Frames[t].Load()))
			}
		}
	})
	m.Counter("errors_sent_total", "Error frames sent to clients.", func() float64 { return float64(g.Errors.Load()) })
	m.Counter("pushes_total", "Frames pushed to devices.", func() float64 { return float64(g.Pushed.Load()) })
	m.Counter("pushes_encoded_total", "Frames encoded for pushes: one for all devices here.", func() float64 { return float64(g.Encoded.Load()) })
	m.Counter("pushes_left_total", "Pushes left to the log, because the device was behind.", func() float64 { return float64(g.Behind.Load()) })
	m.Histogram("send_seconds", "From a message frame read to its ack queued: checks, claim and durable commit.", a.sendTime.Values)
	m.Histogram("fanout_seconds", "Time to queue a message on the sockets of all its recipients' devices here.", a.fanoutTime.Values)
	m.Histogram("delivery_seconds", "From a message's place in the log (to the millisecond) to queued on the last socket here.", a.deliverTime.Values)
	m.Labelled(observe.Grows, "routed_total", "What the router did.", "what", func(emit func(string, float64)) {
		emit("pushed", float64(a.router.Pushed.Load()))
		emit("published", float64(a.router.Published.Load()))
		emit("failed", float64(a.router.Failed.Load()))
		emit("publishes", float64(a.router.Publishes.Load()))
		emit("lookups", float64(a.router.Lookups.Load()))
		emit("dropped", float64(a.router.Dropped.Load()))
		emit("gaps", float64(a.router.Gaps.Load()))
	})
}

func (a *App) measureInbox(m *observe.Metrics) {
	s := a.inbox.Stats()
	m.Counter("inbox_batches_total", "Batches of pending events sent.", func() float64 { return float64(s.Batches.Load()) })
	m.Counter("inbox_batch_events_total", "Pending events sent in batches.", func() float64 { return float64(s.BatchItems.Load()) })
	m.Counter("inbox_verify_reads_total", "Reads of connected devices' logs.", func() float64 { return float64(s.VerifyReads.Load()) })
	m.Counter("inbox_missed_total", "Events that no live push had shown, found by a verify read.", func() float64 { return float64(s.Missed.Load()) })
	m.Counter("inbox_gaps_total", "Devices whose cursor was older than the log.", func() float64 { return float64(s.Gaps.Load()) })
	m.Counter("inbox_cursor_writes_total", "Cursors stored.", func() float64 { return float64(s.CursorWrites.Load()) })
	m.Counter("inbox_ack_writes_total", "Writes of acks beyond the cursor.", func() float64 { return float64(s.AckWrites.Load()) })
	m.Counter("inbox_behind_total", "Devices that fell behind.", func() float64 { return float64(s.Behind.Load()) })
}

func measureStore(m *observe.Metrics, db *pebblestore.DB) {
	stat := func(read func(s *pebblestore.Stats) float64) func() float64 {
		return func() float64 {
			s := db.Stats()
			return read(&s)
		}
	}
	m.Counter("store_commits_total", "Commits; each is one fsync for all operations in it.", stat(func(s *pebblestore.Stats) float64 { return float64(s.Commits) }))
	m.Counter("store_operations_total", "Operations committed.", stat(func(s *pebblestore.Stats) float64 { return float64(s.Ops) }))
	m.Counter("store_bytes_total", "Bytes committed.", stat(func(s *pebblestore.Stats) float64 { return float64(s.Bytes) }))
	m.Counter("store_syncs_total", "Syncs of the log asked for.", stat(func(s *pebblestore.Stats) float64 { return float64(s.Syncs) }))
	m.Counter("store_inbox_rows_total", "Rows written to inbox logs.", stat(func(s *pebblestore.Stats) float64 { return float64(s.InboxRows) }))
	m.Counter("store_reopened_total", "Times the storage engine was opened again after it failed.", stat(func(s *pebblestore.Stats) float64 { return float64(s.Reopened) }))
	m.Gauge("store_waiting", "Writes that wait for the committer.", stat(func(s *pebblestore.Stats) float64 { return float64(s.Waiting) }))
	m.Gauge("store_disk_bytes", "Bytes of the store on disk.", stat(func(s *pebblestore.Stats) float64 { return float64(s.DiskBytes) }))
	m.Gauge("store_free_bytes", "Bytes free on the store's file system; 0: unknown.", stat(func(s *pebblestore.Stats) float64 { return float64(s.FreeBytes) }))
	m.Gauge("store_disk_full", "1 while writes are refused for lack of room.", stat(func(s *pebblestore.Stats) float64 {
		if s.DiskFull {
			return 1
		}
		return 0
	}))
	m.Histogram("store_commit_seconds", "Time of a commit, sync included.", func() observe.Values {
		s := db.Stats()
		return cumulative(s.Latencies, s.CommitSeconds)
	})
	m.Histogram("store_commit_operations", "Operations that shared a commit.", func() observe.Values {
		s := db.Stats()
		return cumulative(s.Groups, float64(s.Ops))
	})
}

// cumulative turns the store's buckets into those of a histogram.
func cumulative(buckets []pebblestore.Bucket, sum float64) observe.Values {
	v := observe.Values{Sum: sum, Buckets: map[float64]uint64{}}
	for _, b := range buckets {
		v.Count += b.Count
		if b.Le != 0 {
			v.Buckets[b.Le] = v.Count
		}
	}
	return v
}
