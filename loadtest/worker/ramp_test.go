package worker

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/loadtest/control"
)

// TestPeopleComeToAFewGatewaysAtOnce: eight workers fill 56 gateways in four rows, everybody once.
func TestPeopleComeToAFewGatewaysAtOnce(t *testing.T) {
	const workers, each, gateways, rows = 8, 560, 56, 4
	var orders [workers][]int32
	var ws [workers]*Worker
	for i := range ws {
		w := &Worker{targets: make([]netip.AddrPort, gateways), seats: make([]seat, each), setup: control.Setup{From: i * each}}
		for k := range w.seats {
			w.seats[k].gateway = uint16((w.setup.From + k) % gateways)
		}
		ws[i], orders[i] = w, w.byGateway(rows)
		came := make(map[int32]bool)
		for _, s := range orders[i] {
			came[s] = true
		}
		require.Len(t, came, each)
	}
	for at := range each {
		together := make(map[uint16]bool)
		for i, w := range ws {
			together[w.seats[orders[i][at]].gateway] = true
		}
		require.Len(t, together, rows)
	}
}
