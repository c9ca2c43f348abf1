// Package bus carries pushes from gateway to gateway, at most once by contract: a lost envelope costs latency, never a
// message, because receivers find what they missed in the log. localbus is the engine inside one process, redisbus
// the one between gateways; bustest is the suite every engine passes. wire.go is the form in which envelopes travel between
// processes.
package bus
