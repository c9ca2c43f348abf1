// Package archtest holds the rules of the house as tests: imports point one way, drivers appear in their adapter only,
// files and interfaces stay small, every package says what it is. A failure says which rule and why it is there.
//
// It has no code of its own. The rules are in rules_test.go, what reads the source in source_test.go.
package archtest
