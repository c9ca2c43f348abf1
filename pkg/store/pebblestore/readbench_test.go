package pebblestore

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// benchRows is how many rows the read benchmarks work on: MURRE_BENCH_ROWS, default 1,000,000.
func benchRows(b *testing.B) int {
	v := os.Getenv("MURRE_BENCH_ROWS")
	if v == "" {
		return 1_000_000
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		b.Fatalf("MURRE_BENCH_ROWS: %v", err)
	}
	return n
}

// load writes many rows past the committer's queue, in its batches but without a sync each.
func load(b *testing.B, d *DB, n int, row func(t *tx, i int)) {
	b.Helper()
	const each = 5000
	for at := 0; at < n; at += each {
		o := ops.Get().(*op)
		o.fn = func(t *tx) error {
			for i := at; i < min(at+each, n); i++ {
				row(t, i)
			}
			return nil
		}
		if err := d.submit(b.Context(), "load", o); err != nil {
			b.Fatal(err)
		}
	}
}

func percentile(d []time.Duration, p float64) time.Duration {
	slices.Sort(d)
	return d[int(float64(len(d)-1)*p)]
}

func reportTimes(b *testing.B, took []time.Duration) {
	b.ReportMetric(float64(percentile(took, 0.5).Microseconds())/1e3, "p50-ms")
	b.ReportMetric(float64(percentile(took, 0.99).Microseconds())/1e3, "p99-ms")
	b.ReportMetric(float64(percentile(took, 1).Microseconds())/1e3, "max-ms")
}

// BenchmarkHistoryAnywhere reads pages of 50 at random places of one large conversation spread over a year.
func BenchmarkHistoryAnywhere(b *testing.B) {
	d, n := openBench(b), benchRows(b)
	c, u := chat.ConversationID{1}, randomUsers(3)
	text := string(make([]byte, 120))
	first := time.Now().AddDate(-1, 0, 0).UnixMilli()
	step := max(int64(365*dayMillis)/int64(n), 1)
	at := func(i int) chat.MessageID { return chat.MessageID(id.AtMillis(first+int64(i)*step)) + 1 }
	load(b, d, n, func(t *tx, i int) {
		m := chat.Message{ID: at(i), Sender: u[i%3], ClientMessageID: chat.ClientMessageID{byte(i)}, ContentType: chat.Text, Content: text}
		t.set(messageKey(nil, c, m.ID), putMessage(nil, &m))
	})
	p := d.Ports()
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		page, err := p.Messages.History(b.Context(), store.History{Conversation: c, Kind: chat.Group, Before: at(50 + rand.IntN(n-50)), Newest: true, Limit: 50})
		took = append(took, time.Since(began))
		if err != nil || len(page) != 50 {
			b.Fatal(len(page), err)
		}
	}
	reportTimes(b, took)
}

// BenchmarkFirstOfPending reads the first 50 of a user's many pending events among those of 1,000 users, and others.
func BenchmarkFirstOfPending(b *testing.B) {
	d, n := openBench(b), benchRows(b)
	us := randomUsers(2)
	base := chat.EventID(id.AtMillis(time.Now().AddDate(0, 0, -20).UnixMilli()))
	span := int64(dayMillis) * 20 << (id.SlotBits + id.SeqBits)
	ev := chat.Event{Kind: chat.EventMessage, Message: 5, Actor: us[1]}
	load(b, d, n, func(t *tx, i int) {
		ev.Conversation = chat.ConversationID{byte(i), byte(i >> 8)}
		t.last = base + chat.EventID(span/int64(n)*int64(i))
		t.fanout(&ev, t.last, us[:1])
	})
	p := d.Ports()
	for _, bc := range []struct {
		name  string
		user  chat.UserID
		after chat.EventID
		want  int
	}{{"of all", us[0], 0, 50}, {"of half", us[0], base + chat.EventID(span/2), 50}, {"of none in 20 days", us[1], base, 0}} {
		b.Run(bc.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				page, err := p.Inbox.Read(b.Context(), bc.user, bc.after, 50)
				took = append(took, time.Since(began))
				if err != nil || len(page.Events) != bc.want {
					b.Fatal(len(page.Events), err)
				}
			}
			reportTimes(b, took)
		})
	}
}

// BenchmarkOpen starts on a store with many rows whose last memtables were not flushed.
func BenchmarkOpen(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "data")
	d, err := Open(Options{Dir: dir, Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 1000)
	load(b, d, benchRows(b), func(t *tx, i int) {
		for j := 0; j < len(value); j += 8 {
			value[j] = byte(rand.Uint64())
			value[j+1] = byte(i)
		}
		t.set(messageKey(nil, chat.ConversationID{byte(i), byte(i >> 8), byte(i >> 4)}, chat.MessageID(i)), value)
	})
	size := d.Stats().DiskBytes
	// Close doesn't flush: what kill -9 leaves is as much to replay.
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		d, err = Open(Options{Dir: dir, Logger: quiet})
		took = append(took, time.Since(began))
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	reportTimes(b, took)
	b.ReportMetric(float64(size)/(1<<30), "GiB")
}
