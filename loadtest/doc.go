// Package loadtest is the load harness: it starts the real server binary, drives it over real sockets from the same
// machine, and measures what it does (bench) or checks that it keeps its promises when it is killed (kill9).
//
// It knows the server by its flags, its protocol and /proc only. What clients do on the wire is in the package wire;
// what is right and wrong is judged by pkg/check.
//
// Start with server.go (the server under test), world.go (its users) and bench.go (the list of scenarios); each scenario
// has a file. crash.go lists the kill -9 rounds, crashround.go is one of them, crowd.go its people.
package loadtest
