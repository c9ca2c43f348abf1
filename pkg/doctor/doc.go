// Package doctor examines what a gateway stands on, before it does: the machine, and with a cluster the CQL servers, Redis
// and S3. Each check ends in a verdict, what was found, and what to change.
//
// It reads, and changes nothing, but for one object that it puts into the bucket and deletes again. Servers are asked one by
// one over connections of its own, as no adapter does: an adapter is content when the cluster as a whole answers. Files come
// in pairs: cql.go asks and cqlverdict.go judges, so that judgements are tested without servers.
//
// Start with doctor.go.
package doctor
