// Package chatui is the terminal client behind `murre chat`: a room (what is known of one conversation), drawn on the whole
// screen of a terminal or, into a pipe, as plain lines; an editor for the input line; the slash commands.
//
// One goroutine (Session.Run) owns the room and the screen. The connection's handler and the keyboard hand it what came
// and wait their turn, so that a message is acknowledged after it was shown. Requests that wait for the server run on
// goroutines of their own and report back the same way. Start with session.go.
package chatui
