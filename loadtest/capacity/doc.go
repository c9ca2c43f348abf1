// Package capacity computes how many machines a load needs from what one unit of work was measured to cost: gateways, nodes
// of the store, shards of Redis, network and disk, in one datacenter or several.
//
// It is arithmetic on four kinds of numbers, each with a name, a unit and a source: Costs (measured, read from the JSON
// files of docs/bench and of runs), Load (what people do: assumed), Shape (what machines are bought and how full they may
// get: chosen), and what follows from the design, which is in plan.go as formulas. Sensitivity says which of them move the
// answer most; Check predicts runs that were measured, and says how far off it is.
//
// It isn't a simulation: no queues, no bursts below a second, no placement. Loads are peaks, and head room stands for
// what it leaves out. Media are not in it: their bytes go between devices and S3.
//
// Start with plan.go. The command is `murre-load capacity`; docs/capacity.md holds what it prints.
package capacity
