// Package redissession is the session registry of a cluster: what session.Registry promises, kept in a Redis Cluster.
//
// Keys, all below the connection's prefix:
//
//	sess:{user}       hash   device → 16 hex digits of the connect sequence, then the gateway; gone a day after the last writing
//	follow:{channel}  set    gateways with connected members; the same
//	gateways          zset   gateway → when its lease ends, ms by Redis's clock
//
// where a gateway is the 16 hex digits of its boot epoch, then its name: a restarted one is another.
//
// There is no heartbeat a user. A gateway renews one lease (15 s) every 2.5 s and reads everybody's in the same round trip;
// a session counts only while its gateway's lease does. Readers take the dead ones' entries out, compared in Lua. When leases
// can't be read, or something happened to Redis a moment ago, everybody counts as alive: a push to nobody costs less than a
// push not made.
//
// Redis forgets. Run registers all local connections and followed channels again, quickly after the cluster changed or the
// lease was found missing (10,000 a second), and slowly always (each within ten minutes). Losing all of it therefore costs
// live pushes for a moment, never a message.
//
// Start with New; Run holds the lease of Options.Self. Lock order: mu is held for memory only, fetching for one read of the
// leases.
package redissession
