// Package bus carries pushes from gateway to gateway, at most once by contract: a lost envelope costs latency, never a
// message, because receivers find what they missed in the log. localbus is the engine inside one process; bustest is
// the suite every engine passes.
package bus
