// Package localbus is the bus inside one process: publishing calls the receiver of the gateway named, at once and on
// the caller's goroutine. It loses nothing, so it never announces a gap.
package localbus
