// Package operate is what an operator does to a server beside serving: make a user, mint a token, trace a message, take a
// backup. Desk does it on the store's ports; Handler puts a Desk behind the admin port of a running server and Remote is
// its other end; Place, a file in the data folder, says where that port is and holds the key that opens it, so that
// whoever may read the data folder may operate the server, and nobody else.
//
// It picks no engine (pkg/app does) and prints nothing (cmd/murre does). Start with operate.go.
package operate
