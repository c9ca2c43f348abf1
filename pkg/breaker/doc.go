// Package breaker keeps a caller from waiting again and again for a peer that is down: after some failures in a row it
// refuses at once, and after a while lets one request through to see.
//
// It is a thin layer over sony/gobreaker that fixes what the house agreed on: consecutive failures, a half-open state with
// one request, one error, a state and a count of trips that metrics can read. It knows no peer; the adapters of Redis, CQL
// and S3 say what a failure is. Start with New.
package breaker
