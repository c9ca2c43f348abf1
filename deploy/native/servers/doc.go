// Package servers gives tests the real servers they need: Cassandra, Redis Cluster, MinIO, versitygw. The first test
// process that asks starts them, all later ones share them: they run detached, under file locks, in a state folder of this
// checkout, on loopback addresses that follow from the checkout's path, so that two checkouts don't meet.
//
// Sharing means: use a keyspace, key prefix or bucket of your own (Unique makes names), delete it at the end, and never
// flush, stop or reconfigure a shared server. A test that breaks servers starts its own with package native.
//
// The one-node servers run until `make servers-down` (which .ci/steps calls in the end). Three nodes and two datacenters
// take a gigabyte a node, so a test program that used them calls Release at the end of TestMain, which ends them when no
// other program uses them.
//
// MURRE_TEST_CQL=host:port,… MURRE_TEST_REDIS=host:port,… and MURRE_TEST_S3=http://key:secret@host:port name servers that run
// elsewhere. A server that can't be had fails the test: nothing skips.
package servers
