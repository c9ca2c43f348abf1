// Package control is how the controller of a load run and its workers talk.
//
// A worker is a process with one stream to its controller: standard input and output when it was started there or by ssh,
// a TCP connection when it waited (murre-load worker --listen). On the stream each side writes JSON objects, one a line,
// UTF-8, at most 16 MiB each. A Command or an Answer has exactly one field set, which says what it is.
//
//	controller                          worker
//	hello      ───────────────────────▶         first, a few times
//	           ◀─────────────────────── hello   its clock at the moment; the controller takes the quickest answer for the offset
//	setup      ───────────────────────▶         the scenario, its users, the gateways
//	           ◀─────────────────────── ready
//	ramp       ───────────────────────▶         connect, so many a second
//	           ◀─────────────────────── tick    from now on one for each stretch of the series, numbered
//	chat       ───────────────────────▶         the steady time: write, come and go
//	storm      ───────────────────────▶         cut off, stay away, come back
//	calm       ───────────────────────▶         the storm is over: latencies count as steady again
//	quiet      ───────────────────────▶         no more messages; everybody comes back, everything is sent
//	again      ───────────────────────▶         some connect again, twice: then nothing may be pending
//	           ◀─────────────────────── again   all of them are synced
//	account    ───────────────────────▶
//	           ◀─────────────────────── account lines of the ledger, packed, in parts; the last one says so
//	           ◀─────────────────────── claims  receipts about other workers' users, packed, by worker
//	claims     ───────────────────────▶         receipts about this worker's users
//	members    ───────────────────────▶         which conversations don't agree
//	           ◀─────────────────────── members what each member has of them
//	finish     ───────────────────────▶
//	           ◀─────────────────────── done    histograms, violations; the worker closes its connections and ends
//
// A worker that can't go on answers failed, with the reason, and ends. When the stream ends, the worker ends; when a worker's
// stream ends before done, the run has lost it.
//
// Start with messages.go.
package control
