// Package loadtest is the load harness: it starts the real server binary, drives it over real sockets from the same
// machine, and measures what it does (bench) or checks that it keeps its promises: when a server is killed (kill9), and
// when any part of a cluster is broken (faults).
//
// It knows the server by its flags, its protocol, its metrics and /proc only; bulk data goes in through the stores' own
// ports. What clients do on the wire is in the package wire; a cluster's processes are deploy/native's; what is right and
// wrong is judged by pkg/check.
//
// Runs of thousands to millions of people by scenario files stand beside all this, in packages of their own: scenario reads
// the files, conduct is the controller, worker a process of clients, ledger the checker over many processes, population
// who the people are, result what comes out.
//
// Start with server.go (the server under test), world.go (its users) and bench.go (the lists of scenarios); each scenario
// has a file, clusterbench.go those of a cluster. crowd.go is people who write to each other, lose their server and come
// back: crash.go kills a server under them, faults.go a cluster's parts. fleet.go is that cluster, siege.go one run of a
// fault, faultlist.go what the faults are. costs.go weighs what a message, a connect and a row cost, for package capacity.
package loadtest
