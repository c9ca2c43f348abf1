// Package bustest is the suite that every engine of the bus passes: what the port promises, and that it promises no more
// (an engine may lose envelopes, if it then says that there is a gap).
package bustest
