// Package native starts and stops the servers of a Murre cluster as plain processes on loopback addresses, without Docker:
// Cassandra nodes, a Redis Cluster of three masters and three replicas, MinIO or versitygw, gateways, and HAProxy before
// them. It serves `make cluster`, the tests (package servers) and the fault harness, which kills, freezes and restarts
// members by name.
//
// It is for development and tests on Linux, where all of 127.0.0.0/8 is local. It is no way to run Murre for others: the
// servers have no passwords, little memory, and one disk.
//
// A Cluster has a folder and a Subnet of its own. Every process leads a session of its own (nothing sent to the starter's
// terminal reaches it), writes to FOLDER/log/NAME.log and is recorded in FOLDER/pid/NAME.pid with its start time, so that
// the next Up, Attach or Down finds it whoever started it, and never ends a stranger that got its number. Processes
// outlive the program that started them; whoever calls Up calls Down.
//
// Start reading at cluster.go; process.go says what alive means.
package native
