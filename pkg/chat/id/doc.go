// Package id is Murre's hybrid logical clock: 64-bit ids that carry their own time, sort in text as they do in
// numbers, increase per node over restarts and clock steps, and merge what they meet, so that a reply always sorts
// after what it answers.
//
// Layout, from the top: sign 0, 41 bits of milliseconds since 2024-01-01 UTC, 13 bits of node slot, 9 bits of sequence.
// Text: 13 characters of Crockford base32, zero padded. Start with clock.go.
package id
