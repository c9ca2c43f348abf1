package pebblestore

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

func openBench(b *testing.B) *DB {
	b.Helper()
	d, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close() })
	return d
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func randomUsers(n int) []chat.UserID {
	out := make([]chat.UserID, n)
	for i := range out {
		out[i] = chat.NewUserID(time.UnixMilli(1_700_000_000_000 + rand.Int64N(1e10)))
	}
	return out
}

// benchAppend sends b.N messages from some goroutines, each of which waits for its message.
// With a rate (messages a second in all) they send no faster.
func benchAppend(b *testing.B, d *DB, senders int, rate float64, recipients func(i int) []chat.UserID) {
	p := d.Ports()
	text := string(make([]byte, 120))
	users := randomUsers(senders)
	var mu sync.Mutex
	var times []time.Duration
	var left atomic.Int64
	left.Store(int64(b.N))
	before, began, used := d.Stats(), time.Now(), cpu()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			to := recipients(i)
			conv := chat.DirectID(users[i], to[0])
			at := time.Now().Add(time.Duration(rand.Float64() * float64(senders) / max(rate, 1) * 1e9))
			for left.Add(-1) >= 0 {
				if rate > 0 {
					time.Sleep(time.Until(at))
					at = at.Add(time.Duration(float64(senders) / rate * 1e9))
				}
				began := time.Now()
				next, err := d.Clock().Next()
				if err != nil {
					b.Error(err)
					return
				}
				id := chat.MessageID(next)
				var key chat.ClientMessageID
				for i := range 8 {
					key[i], key[i+8] = byte(id>>(8*i)), byte(id>>(8*i))
				}
				a := &store.Append{
					Message:    chat.Message{ID: id, Conversation: conv, Sender: users[i], ClientMessageID: key, ContentType: chat.Text, Content: text},
					Kind:       chat.Direct,
					Claim:      store.Claim{User: users[i], ClientMessage: key, Message: id, Conversation: conv},
					Recipients: to,
				}
				if _, err := p.Messages.Append(b.Context(), a); err != nil {
					b.Error(err)
					return
				}
				if rate > 0 {
					mu.Lock()
					times = append(times, time.Since(began))
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	took, spent, s := time.Since(began), cpu()-used, d.Stats()
	commits := s.Commits - before.Commits
	rows := s.InboxRows - before.InboxRows
	if rate > 0 {
		reportTimes(b, times)
	}
	b.ReportMetric(float64(b.N)/took.Seconds(), "msgs/s")
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "cpu-µs/msg")
	b.ReportMetric(float64(commits)/took.Seconds(), "fsyncs/s")
	b.ReportMetric(float64(b.N)/float64(commits), "msgs/fsync")
	b.ReportMetric(float64(rows)/took.Seconds(), "rows/s")
	b.ReportMetric(float64(spent.Nanoseconds())/1e3/float64(rows), "cpu-µs/row")
}

func BenchmarkAppend1to1(b *testing.B) {
	for _, senders := range []int{1, 4, 20, 200} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			to := randomUsers(senders)
			benchAppend(b, openBench(b), senders, 0, func(i int) []chat.UserID { return to[i : i+1] })
		})
	}
}

func BenchmarkAppendGroup256(b *testing.B) {
	for _, senders := range []int{1, 16} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			to := randomUsers(256)
			slices.SortFunc(to, chat.UserID.Compare) // as a membership has them
			benchAppend(b, openBench(b), senders, 0, func(int) []chat.UserID { return to })
		})
	}
}

func BenchmarkAppendOpenLoop(b *testing.B) {
	for _, rate := range []float64{500, 2000, 5000, 10_000, 20_000} {
		b.Run(fmt.Sprintf("rate=%.0f", rate), func(b *testing.B) {
			to := randomUsers(200)
			benchAppend(b, openBench(b), 200, rate, func(i int) []chat.UserID { return to[i : i+1] })
		})
	}
}
