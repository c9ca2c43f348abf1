// Package storetest is the contract of pkg/store as a test suite: every engine runs it unchanged (Run), over its real
// database. A new engine's test is a factory and a call.
//
// What an engine may choose is not tested: the order of errors, limits beyond the documented ones, what a buried id's
// Append answers. Each test uses fresh users and conversations, so one database serves the whole suite.
// Start with storetest.go; model.go compares random runs with a model in memory.
package storetest
