// Package e2e holds the end-to-end suite: people with devices chat over real sockets with a real server, through the
// public client. It takes the server's addresses from a Harness and asks for nothing else, so that it runs unchanged
// against one process on the embedded store and against many gateways.
//
// It isn't about speed or crashes (loadtest is). Start with suite.go; people.go has the people and what they wait for.
package e2e
