// Package scenario reads the files that say what a load run does: who is there, what they do, what happens to them, and
// what must hold.
//
// A file is YAML. Every field has a default, a field that doesn't exist is an error, and every error names the line and
// the field. The files that come with the harness are in loadtest/scenarios.
//
// It knows nothing of how a run is done. Start with scenario.go; the fields' comments are their reference.
package scenario
