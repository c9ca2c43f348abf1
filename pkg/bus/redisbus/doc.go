// Package redisbus is the bus over the sharded pub/sub of a Redis Cluster.
//
// Every gateway listens on one channel of its own, bus:{name:epoch}, with a connection of its own to the master that
// owns the channel's slot (subscription.go). The driver's own way to subscribe again is not used, as it says nothing of
// what was lost meanwhile: here a subscription that breaks in any way ends, a new one is made from fresh topology, and once
// it is confirmed the receiver is told that there is a gap. Four things end one: an error or the end of the connection;
// sunsubscribe, which Redis sends when the slot moves to other nodes; a probe, sent to oneself every three seconds by
// another connection, that Redis says nobody received (after a failover publishers go to the new master, while our
// connection may live on at the old one); and no probe seen for two intervals and a second, which finds connections that are
// dead without a word.
//
// Publish (publish.go) is one SPUBLISH. While one to a receiver is under way, others to it gather and go together with the
// next. There is no goroutine for it: one of the callers waiting sends for all. Each message carries its publisher and a
// number, so a message that the driver sends twice, because the first answer was lost, is received once.
//
// Nothing here is kept when Redis is gone: Publish fails, at once when the node's breaker is open, and the subscription is
// tried again every two seconds at most. While it can't be made the receiver is told of the gap every half a minute, and so
// finds in its logs what nobody can tell it.
//
// Lock order: Bus.mu guards the outboxes and the table of subscriptions, subscription.mu its receiver. Neither is held
// during I/O or while the other is taken, and nothing of a receiver's is called under either.
package redisbus
