package cqlstore

import (
	"sync"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat"
)

const benchWorkers = 200

// BenchmarkAppend writes direct messages from 200 workers, each waiting for its answer; driver is the same three rows written
// by the driver alone, at once. The ratio of the two is what this package costs.
func BenchmarkAppend(b *testing.B) {
	hosts := servers.CQL(b)
	d := openTest(b, Options{Hosts: hosts, Keyspace: testKeyspace(b, hosts, map[string]int{"dc1": 1})})
	m := messages{d}
	text := make([]byte, 120)
	for i := range text {
		text[i] = 'a' + byte(i%26)
	}
	b.Run("murre", func(b *testing.B) {
		appendAll(b, func() func() error {
			from, to, c := chat.NewUserID(time.Now()), chat.NewUserID(time.Now()), chat.NewConversationID(time.Now())
			return func() error {
				a := newMessage(b, d, chat.Direct, to)
				a.Message.Conversation, a.Message.Sender, a.Message.Content = c, from, string(text)
				a.Claim.User, a.Claim.Conversation = from, c
				_, err := m.Append(b.Context(), a)
				return err
			}
		})
	})
	b.Run("driver", func(b *testing.B) {
		appendAll(b, func() func() error {
			from, to, c := chat.NewUserID(time.Now()), chat.NewUserID(time.Now()), chat.NewConversationID(time.Now())
			return func() error {
				a := newMessage(b, d, chat.Direct, to)
				n, at, bucket := int64(a.Message.ID), micros(a.Message.ID), MessageBucket(chat.Direct, a.Message.ID)
				content := string(text)
				var wg sync.WaitGroup
				var errs [3]error
				for i, q := range []*gocql.Query{
					d.session.Session.Query(putMessage.cql, uuid(c), bucket, n, uuid(from), uuid(a.Claim.ClientMessage), "text", content, gocql.UnsetValue, gocql.UnsetValue, at),
					d.session.Session.Query(putClaim.cql, uuid(from), uuid(a.Claim.ClientMessage), n, uuid(c), a.Claim.Digest[:], at),
					d.session.Session.Query(putInbox.cql, uuid(to), InboxBucket(chat.EventID(n)), n, "message", uuid(c), n, uuid(from), at),
				} {
					wg.Go(func() { errs[i] = q.Exec() })
				}
				wg.Wait()
				for _, err := range errs {
					if err != nil {
						return err
					}
				}
				return nil
			}
		})
	})
}

// BenchmarkFanout writes one event to the logs of 256 users; driver is the same rows with 64 statements under way.
func BenchmarkFanout(b *testing.B) {
	hosts := servers.CQL(b)
	d := openTest(b, Options{Hosts: hosts, Keyspace: testKeyspace(b, hosts, map[string]int{"dc1": 1})})
	to := make([]chat.UserID, 256)
	for i := range to {
		to[i] = chat.NewUserID(time.Now())
	}
	c, from := chat.NewConversationID(time.Now()), chat.NewUserID(time.Now())
	b.Run("murre", func(b *testing.B) {
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				e := chat.Event{Kind: chat.EventMessage, Conversation: c, Message: 5, Actor: from}
				if _, err := d.tell(b.Context(), &e, to); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N*len(to))/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("driver", func(b *testing.B) {
		rows := make(chan chat.UserID)
		var wg sync.WaitGroup
		for range 256 {
			wg.Go(func() {
				for u := range rows {
					ev, _ := d.event()
					if err := d.session.Session.Query(putInbox.cql, uuid(u), InboxBucket(ev), int64(ev), "message", uuid(c), int64(5), uuid(from), micros(ev)).Exec(); err != nil {
						b.Error(err)
					}
				}
			})
		}
		for range b.N {
			for _, u := range to {
				rows <- u
			}
		}
		close(rows)
		wg.Wait()
		b.ReportMetric(float64(b.N*len(to))/b.Elapsed().Seconds(), "rows/s")
	})
}

func appendAll(b *testing.B, worker func() func() error) {
	b.ReportAllocs()
	var wg sync.WaitGroup
	for w := range benchWorkers {
		do := worker()
		n := b.N / benchWorkers
		if w < b.N%benchWorkers {
			n++
		}
		wg.Go(func() {
			for range n {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
