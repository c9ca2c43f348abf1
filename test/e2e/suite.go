package e2e

import "testing"

// Harness is a server, or a cluster of them, that runs for one test. Registration is open and there are no rate limits.
type Harness interface {
	// URLs are the addresses to spread people over: http://host:port each.
	URLs() []string
}

// Restarter is a Harness whose servers can be stopped and started again on the same data and addresses.
type Restarter interface {
	Harness
	Restart(t *testing.T)
}

// Run runs the suite; open starts a fresh server for each test.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, tc := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"sent delivered read", sentDeliveredRead},
		{"offline queue", offlineQueue},
		{"two devices", twoDevices},
		{"a group", group},
		{"left and removed", leftAndRemoved},
		{"edit delete react reply", changes},
		{"typing and presence", typingAndPresence},
		{"media", mediaFlow},
		{"revoked", revoked},
		{"replaced", replaced},
		{"blocked", blocked},
		{"cut connections", cutConnections},
		{"idempotent", idempotent},
		{"strangers", strangers},
		{"channel", channel},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.test(t, open(t))
		})
	}
	t.Run("restart", func(t *testing.T) {
		t.Parallel()
		h, ok := open(t).(Restarter)
		if !ok {
			t.Fatal("this harness can't restart its servers")
		}
		restart(t, h)
	})
}
