// Package faultbus is a bus that loses envelopes on purpose, and may hold publishes up: the wrapper around a real engine
// that shows that a lost push costs latency and never a message. It never reorders, as the port forbids that.
//
// It isn't an engine of its own, nor for production: `murre serve` has a hidden option for the fault harness, which
// pkg/app turns into Wrap. Start with Wrap.
package faultbus
