// Package service holds the use cases: send, ack, read, edit, delete, react, typing, presence, membership, history, lists.
//
// Each method authorises, admits, writes through the store's ports and tells the router. It never sees a socket, a frame
// or a driver. Start with service.go, then send.go.
package service
