package app

import (
	"github.com/murre-chat/murre/pkg/admit/redisadmit"
	"github.com/murre-chat/murre/pkg/breaker"
	"github.com/murre-chat/murre/pkg/bus/redisbus"
	"github.com/murre-chat/murre/pkg/media/s3media"
	"github.com/murre-chat/murre/pkg/observe"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/session/redissession"
	"github.com/murre-chat/murre/pkg/store/cqlstore"
)

// clusterParts are the engines of a cluster whose counters are shown.
type clusterParts struct {
	db        *cqlstore.DB
	redis     *rediscluster.Cluster
	bus       *redisbus.Bus
	sessions  *redissession.Registry
	admission *redisadmit.Admission
	blobs     *s3media.Bucket
}

// measure registers the metrics of a cluster's engines.
func (p clusterParts) measure(m *observe.Metrics) {
	statements := func(read func(s cqlstore.Statement) float64) func(emit func(string, float64)) {
		return func(emit func(string, float64)) {
			for _, s := range p.db.Stats().Statements {
				emit(s.Name, read(s))
			}
		}
	}
	m.Labelled(observe.Grows, "cql_statements_total", "CQL statements begun, by what they are for; a batch is one.", "statement",
		statements(func(s cqlstore.Statement) float64 { return float64(s.Count) }))
	m.Labelled(observe.Grows, "cql_failed_total", "CQL statements that failed.", "statement",
		statements(func(s cqlstore.Statement) float64 { return float64(s.Failed) }))
	m.Labelled(observe.Grows, "cql_seconds_total", "Time spent in CQL statements.", "statement",
		statements(func(s cqlstore.Statement) float64 { return s.Seconds }))
	m.Counter("cql_batched_total", "Rows and changes written as a part of a CQL batch, which counts as one statement.", func() float64 { return float64(p.db.Stats().Batched) })
	m.Counter("cql_retried_total", "Second attempts of CQL statements on another node.", func() float64 { return float64(p.db.Stats().Retried) })
	m.Gauge("cql_bound", "CQL statements that may be under way at once; shrinks while the store doesn't answer in time.", func() float64 { return float64(p.db.Stats().Bound) })
	m.Gauge("cql_waiting", "CQL statements that wait for their turn.", func() float64 { return float64(p.db.Stats().Waiting) })
	m.Counter("cql_turned_away_total", "CQL statements whose turn didn't come in time.", func() float64 { return float64(p.db.Stats().Refused) })

	m.Labelled(observe.Grows, "redis_round_trips_total", "Round trips to Redis by what they are for; a pipeline is one.", "purpose", func(emit func(string, float64)) {
		for purpose, n := range p.redis.RoundTrips() {
			emit(purpose.String(), float64(n))
		}
	})
	m.Counter("redis_sent_total", "Requests to single Redis nodes, redirects and repeats included.", func() float64 { return float64(p.redis.Sent()) })
	m.Gauge("redis_trusted", "1 while Redis is believed to have lost nothing; otherwise claims are taken in the store.", func() float64 {
		if p.redis.Trusted() {
			return 1
		}
		return 0
	})
	m.Labelled(observe.Varies, "breaker_state", "State of a circuit breaker: 0 closed, 1 half-open, 2 open.", "breaker", func(emit func(string, float64)) {
		p.breakers(func(name string, s breaker.State, _ uint64) { emit(name, float64(s)) })
	})
	m.Labelled(observe.Grows, "breaker_trips_total", "Times that a circuit breaker opened.", "breaker", func(emit func(string, float64)) {
		p.breakers(func(name string, _ breaker.State, trips uint64) { emit(name, float64(trips)) })
	})
	m.Labelled(observe.Grows, "bus_total", "What went over the bus.", "what", func(emit func(string, float64)) {
		s := p.bus.Stats()
		emit("published", float64(s.Published))
		emit("batches", float64(s.Batches))
		emit("unreceived", float64(s.Unreceived))
		emit("failed", float64(s.Failed))
		emit("received", float64(s.Received))
		emit("repeated", float64(s.Repeated))
		emit("undecodable", float64(s.DecodeErrors))
		emit("rebuilds", float64(s.Rebuilds))
		emit("probes_missed", float64(s.ProbesMissed))
	})
	m.Labelled(observe.Grows, "claims_total", "What became of claims.", "what", func(emit func(string, float64)) {
		s := p.admission.Stats()
		emit("fresh", float64(s.Fresh))
		emit("held", float64(s.Held))
		emit("refused", float64(s.Refused))
		emit("failed", float64(s.Failed))
		emit("rows_read", float64(s.Reads))
		emit("rows_made", float64(s.Writes))
		emit("waited", float64(s.Waits))
	})
	m.Labelled(observe.Grows, "s3_requests_total", "Requests to S3.", "kind", p.blobs.Requests)
	m.Labelled(observe.Grows, "s3_failed_total", "Requests to S3 that failed.", "kind", p.blobs.Failures)
	m.Labelled(observe.Grows, "sessions_total", "What the session registry did.", "what", func(emit func(string, float64)) {
		c := p.sessions.Counts()
		emit("registered_again", float64(c.Again.Load()))
		emit("freed", float64(c.Freed.Load()))
		emit("refused", float64(c.Refused.Load()))
		emit("lease_missing", float64(c.LeaseNil.Load()))
	})
}

// breakers calls yield for each circuit breaker.
func (p clusterParts) breakers(yield func(name string, s breaker.State, trips uint64)) {
	db := p.db.Stats()
	yield("cql", db.Breaker, db.Trips)
	yield("s3", p.blobs.Breaker().State(), p.blobs.Breaker().Trips())
	for _, n := range p.redis.Nodes() {
		yield("redis "+n.Addr, n.Breaker, n.Trips)
	}
}
