// Package clients tests the server with clients that are not ours: Node's ws and Python's websockets, written from the
// protocol's description. They find what a server and client of one hand get wrong alike.
//
// It has no code of its own. setup.sh installs the two libraries into a cache, clients_test.go starts bin/murre's source
// on a free port and runs node/run.js and python/run.py against it; each prints TAP and a summary.
package clients
