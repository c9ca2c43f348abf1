// Package conduct is the controller of load runs: it brings a server or a cluster up, loads the population, starts workers and
// tells them what to do, watches machine and processes meanwhile, has the ledger judged, and writes down what it found.
//
// One goroutine, that of Run, speaks with the workers and owns the result; what goes on beside it (restarts of gateways,
// watermarks read over REST) reports to it. Whatever fails ends the run, and what was found until then is still written.
//
// Start with conduct.go, which is the run from beginning to end. stage.go is what is driven, crew.go the workers, gather.go
// the series, machine.go what processes take, verdict.go what came of it.
package conduct
