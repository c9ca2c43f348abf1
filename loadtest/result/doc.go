// Package result is what a run of a load scenario found out, as it is written to its JSON file and read again by the
// report and the comparison.
//
// It holds types and the file's reading and writing, no measuring and no rendering. Units are in the names where JSON
// can't carry a type: Seconds, Ms, Bytes. Times of day are RFC 3339 UTC; moments inside a run are seconds since Run.Began.
//
// Start with run.go; series.go is what happened over time, verdict.go what it is worth.
package result
