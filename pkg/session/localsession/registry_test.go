package localsession

import (
	"runtime"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/session"
	"github.com/murre-chat/murre/pkg/session/sessiontest"
)

func TestSuite(t *testing.T) {
	sessiontest.Run(t, func(*testing.T) session.Registry { return New() })
}

// TestMemory: an idle connection pays for its entry.
func TestMemory(t *testing.T) {
	const n = 100_000
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	now := time.Now()
	g := session.GatewayID{Name: "g"}
	before := heap()
	r := New()
	for i := range n {
		e := session.Entry{User: chat.NewUserID(now), Device: chat.NewDeviceID(now), Gateway: g, Seq: int64(i)}
		if _, err := r.Register(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	per := float64(heap()-before) / n
	t.Logf("%.0f bytes an entry", per)
	if per > 120 {
		t.Errorf("%.0f bytes an entry", per)
	}
	runtime.KeepAlive(r)
}

func BenchmarkRoutesAlone(b *testing.B) {
	r := New()
	now := time.Now()
	g := session.GatewayID{Name: "g"}
	us := []chat.UserID{chat.NewUserID(now), chat.NewUserID(now)}
	for _, u := range us {
		if _, err := r.Register(b.Context(), session.Entry{User: u, Gateway: g, Seq: 1}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if rs, err := r.Routes(b.Context(), g, us); err != nil || rs != nil {
			b.Fatal(rs, err)
		}
	}
}
