package protocol

import (
	"encoding/json"
	"testing"
	"time"
)

func TestAppendTime(t *testing.T) {
	for _, at := range []time.Time{
		time.UnixMilli(0), time.UnixMilli(-1), time.UnixMilli(sampleTime), time.Date(2000, 2, 29, 23, 59, 59, 999e6, time.UTC),
		time.Date(1900, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2100, 2, 28, 0, 0, 0, 1e6, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC), time.Date(2024, 12, 31, 12, 0, 0, 0, time.UTC),
	} {
		if got, want := string(AppendTime(nil, at.UnixMilli())), at.UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for day := range 200_000 { // every day from 1970 to 2517
		at := time.Unix(int64(day)*86400, 0).UTC()
		if got := string(AppendTime(nil, at.UnixMilli())); got[:10] != at.Format("2006-01-02") {
			t.Fatalf("got %s, want %s", got, at)
		}
	}
	if got := string(AppendTime(nil, 1<<62)); got != "9999-12-31T23:59:59.999Z" {
		t.Error(got)
	}
}

func TestParseTime(t *testing.T) {
	for _, s := range []string{"2025-06-15T15:06:40.123Z", "2025-06-15T17:06:40.123+02:00", "2025-06-15T15:06:40.123456Z"} {
		if got, err := parseTime([]byte(s)); err != nil || got != sampleTime {
			t.Errorf("%s: %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "now", "2025-02-30T15:06:40.123Z", "2025-13-01T15:06:40.123Z", "2025-06-15T24:06:40.123Z", "2025-06-15 15:06:40.123Z", "20x5-06-15T15:06:40.123Z"} {
		if got, err := parseTime([]byte(s)); err == nil {
			t.Errorf("%q: %d", s, got)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "plain", "0123456\"", "01234567\n", "é", "\"", "a\x00", "\xff", "0123456789\xc3", "\xed\xa0\x80", "long enough for words of eight bytes 😀 and behind them \\ too", "\u2028\u2029"} {
		b := AppendString(nil, s)
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Errorf("%q: %v in %q", s, err, b)
			continue
		}
		want := string([]rune(s))
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	message := sendFrame(`"hi there"`)
	ack := []byte(`{"type":"ack","payload":{"messageIds":["01BGV8TVQC501","01BGV8TVQC502"]}}`)
	var f ClientFrame
	if n := testing.AllocsPerRun(100, func() { _ = Decode(message, &f) }); n > 1 {
		t.Errorf("decode message: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = Decode(ack, &f) }); n > 0 {
		t.Errorf("decode ack: %v allocations", n)
	}
	dst := make([]byte, 0, 4096)
	m := fullMessage()
	if n := testing.AllocsPerRun(100, func() { dst = AppendMessage(dst[:0], m, 1, 1) }); n > 0 {
		t.Errorf("encode message: %v allocations", n)
	}
}
