//go:build !race

package gateway

const raceSlows = 1
