// Package presence knows who is online, who wants to know, and who is typing. All of it is best effort: losing it loses
// no message.
//
// The port is in presence.go; localpresence is the engine of a single process. Typing (typing.go) needs no engine: the
// gateway that a typist is connected to tells everybody. Who may see whose presence is pkg/service's to decide.
package presence
