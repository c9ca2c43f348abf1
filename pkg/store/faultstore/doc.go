// Package faultstore wraps a store so that chosen calls fail, wait, or are done and fail all the same: the "unknown"
// outcome that a caller of a real store has to live with. It is for tests.
//
// Faults are matched by operation ("Messages.Append", or "Messages." for a whole port) and fire on the n-th matching
// call or with a probability drawn from a seed, so that a failing run can be repeated. It isn't a mock: whatever
// doesn't fail is done by the wrapped engine. Start with faults.go; ports.go only passes calls on.
package faultstore
