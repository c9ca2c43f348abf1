// Package redisadmit admits for many gateways: claims and rate limits stand in Redis, where all of them find them, and
// the durable claim rows of the store stand behind.
//
// A message costs one round trip (scripts.go): one script on two keys tagged by the sender counts the message against its
// rate and takes the claim, or says which stands, or how long to wait. What happens then depends on whether Redis can be
// believed (claims.go).
//
//   - It can: a new claim is fresh, and only for a request that says Durable the claim row is read first.
//   - It can't (it is down, or data may have been lost within the last minute): what Redis says of a claim decides nothing.
//     The claim row does, made by compare-and-set and awaited; a resend that finds none waits, so that an earlier
//     attempt which nobody remembers has either written its row or has failed, and looks again. Redis is told the outcome.
//
// Before both stands the table of claims under way in this process (admit/flight): two attempts through one gateway never
// race, and data that Redis loses between them is not missed.
//
// Rates are logs of the events in the window, so they are exact. Without Redis each gateway counts for itself, from nothing: a
// user may then do as much at every gateway. The conversation's rate is always counted like that: its keys are in other
// slots than the sender's, so it would be a round trip more for each message, to hold back a flood that the senders' own
// rates bound. So are rates above maxLog events, whose logs would be large.
//
// Memory in Redis: see BenchmarkAdmit for a claim's bytes; claims are kept 24 hours, a rate's log as long as its window.
//
// Lock order: none; the parts lock for themselves and nothing is called under a lock.
package redisadmit
