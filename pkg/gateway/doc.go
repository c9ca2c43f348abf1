// Package gateway connects devices: it admits their WebSockets, decodes what they send and hands it to the use cases in
// order, and shows them what is pushed, encoded once for everybody here.
//
// It isn't the WebSocket server (wsconn) nor the event loops (netpoll), and decides nothing about chat. Per connection it
// keeps one conn, one entry in the hub and one inbox.Device; a goroutine exists only while a connection has work.
// Lock order: hub shard, then inbox.Device, then inbox.Log; conn.mu is a leaf. Start with gateway.go, conn.go, deliver.go.
package gateway
