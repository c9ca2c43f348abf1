package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

// Who comes while the store has too much to do waits a moment, and is refused when that doesn't help, to come again later.
func TestWhoComesWhileTheStoreIsBusy(t *testing.T) {
	r := newRig(t)
	p := r.person()
	r.busy.Store(true)
	time.AfterFunc(300*time.Millisecond, func() { r.busy.Store(false) })
	p.connect(chat.DeviceID{})
	r.busy.Store(true)
	began := time.Now()
	_, err := r.dial("", bearer(p.token))
	if err == nil || !strings.HasPrefix(err.Error(), "503") || !strings.Contains(err.Error(), "UNAVAILABLE") {
		t.Fatal(err)
	}
	if d := time.Since(began); d < calmWait {
		t.Errorf("refused after %v", d)
	}
	if n := r.gateway.connections(p.id); n != 1 {
		t.Errorf("%d connections", n)
	}
}
