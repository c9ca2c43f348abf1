// Package inbox is the pending log as a connected device sees it: catch-up after connecting, what was pushed and not yet
// acked, the cursor, and the verify reads that find what live pushes lost.
//
// The rules it keeps (ARCHITECTURE.md, "Delivery"): a cursor passes an event only when the log was read up to there
// under the store's horizon and everything up to there was acked; live pushes alone never move it; `synced` names a time
// up to which everything was delivered and acked.
//
// It isn't the hub and knows no sockets: a Device talks to its connection through a Sink. A Log owns the goroutine that
// schedules verify reads (Run) and bounds how many devices read at once. Lock order: Device.mu, then Log.mu; no store
// call is made under either. Start with device.go, then step.go.
package inbox
