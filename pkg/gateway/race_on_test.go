//go:build race

package gateway

// raceSlows is by how much the race detector shortens the longest tests.
const raceSlows = 10
