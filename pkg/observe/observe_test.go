package observe

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHistogramBounds(t *testing.T) {
	for _, tc := range []struct {
		d     time.Duration
		bound float64 // the smallest upper bound that counts it; 0: above all
	}{
		{-time.Second, 16e-6}, {0, 16e-6}, {time.Microsecond, 16e-6}, {16 * time.Microsecond, 16e-6}, {17 * time.Microsecond, 32e-6},
		{32 * time.Microsecond, 32e-6}, {33 * time.Microsecond, 64e-6}, {time.Millisecond, 1024e-6}, {time.Second, 1.048576},
		{33 * time.Second, 33.554432}, {time.Hour, 0},
	} {
		var h Histogram
		h.Observe(tc.d)
		v := h.Values()
		if v.Count != 1 {
			t.Errorf("%v: count %d", tc.d, v.Count)
		}
		for bound, n := range v.Buckets {
			want := uint64(0)
			if tc.bound != 0 && bound >= tc.bound*0.999 {
				want = 1
			}
			if n != want {
				t.Errorf("%v: bucket ≤ %g s has %d, want %d", tc.d, bound, n, want)
			}
		}
	}
}

func TestHistogramIsCheap(t *testing.T) {
	var h Histogram
	if n := testing.AllocsPerRun(100, func() { h.Observe(time.Millisecond) }); n != 0 {
		t.Errorf("Observe allocates %v times", n)
	}
}

func TestScrape(t *testing.T) {
	m := NewMetrics("v1")
	var h Histogram
	h.Observe(3 * time.Millisecond)
	m.Counter("messages_total", "Messages sent.", func() float64 { return 7 })
	m.Gauge("connections", "Connections held.", func() float64 { return 3 })
	m.Labelled(Grows, "frames_in_total", "Frames received.", "type", func(emit func(string, float64)) {
		emit("message", 5)
		emit("ack", 4)
	})
	m.Histogram("send_seconds", "Time to commit.", h.Values)
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil || w.Code != 200 {
		t.Fatal(w.Code, err)
	}
	for _, want := range []string{
		`murre_build_info{version="v1"} 1`, "murre_messages_total 7", "murre_connections 3", `murre_frames_in_total{type="ack"} 4`,
		"murre_send_seconds_count 1", "murre_send_seconds_sum 0.003", `murre_send_seconds_bucket{le="0.004096"} 1`, "go_goroutines", "process_open_fds",
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the scrape lacks %s", want)
		}
	}
}

func TestLogger(t *testing.T) {
	var b bytes.Buffer
	log, err := NewLogger(&b, "warn", "json")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("loud", "n", 1)
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line["msg"] != "loud" || line["n"] != 1.0 {
		t.Errorf("%q: %v", b.String(), err)
	}
	if _, err := NewLogger(&b, "loud", "json"); err == nil {
		t.Error("an unknown level was accepted")
	}
	if _, err := NewLogger(&b, "info", "xml"); err == nil {
		t.Error("an unknown format was accepted")
	}
}

func BenchmarkObserve(b *testing.B) {
	var h Histogram
	for b.Loop() {
		h.Observe(time.Millisecond)
	}
}
