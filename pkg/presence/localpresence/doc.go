// Package localpresence is the presence of a single process: the roster of its connections, with everybody's interests in
// memory. What that costs and how it is bounded stands in pkg/presence/roster.
package localpresence
