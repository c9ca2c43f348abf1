// Package chat is the domain: typed ids, messages, conversations, members, receipts, events, pushes and errors.
//
// It does no I/O and imports no other package of Murre but chat/id, so every layer can speak it. Times are Unix
// milliseconds (int64) unless a name says otherwise. Start with ids.go and message.go.
package chat
