package worker

import (
	"testing"
	"time"

	"github.com/murre-chat/murre/loadtest/scenario"
)

func TestTheRateRises(t *testing.T) {
	w := &Worker{sc: &scenario.Scenario{Messages: scenario.Messages{Rise: 100 * time.Second}}, traffic: traffic{full: 100e9}}
	for at, want := range map[float64]float64{0: 0.05, 4e9: 0.05, 50e9: 0.5, 99e9: 0.99, 100e9: 1, 200e9: 1} {
		if got := w.risen(at); got != want {
			t.Errorf("after %v s: %v of the rate, want %v", at/1e9, got, want)
		}
	}
	w.sc.Messages.Rise, w.traffic.full = 0, 0
	if got := w.risen(0); got != 1 {
		t.Errorf("without a rise: %v", got)
	}
}
