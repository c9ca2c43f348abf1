package loadtest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gocql/gocql"
	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store/cqlstore"
)

// bareDriver writes the rows that messages need and nothing else: what is left of a gateway when everything is taken away
// but the driver. It is the bound that a gateway is measured against.
type bareDriver struct{ s *gocql.Session }

// The statements, as cqlstore has them.
const (
	bareMessage = "INSERT INTO messages (conversation_id, bucket, message_id, sender_id, client_message_id, content_type, content) VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
	bareClaim   = "INSERT INTO claims (user_id, client_message_id, message_id, conversation_id, digest) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?"
	bareInbox   = "INSERT INTO inbox (user_id, bucket, event_id, kind, conversation_id, message_id, actor_id) VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
)

// openBareDriver connects as a gateway does: the same driver, policy, consistency and number of connections, three times
// as many for three gateways.
func openBareDriver(url string) (*bareDriver, error) {
	o, err := cqlstore.Parse(url)
	if err != nil {
		return nil, fmt.Errorf("bare driver: %w", err)
	}
	c := gocql.NewCluster(o.Hosts...)
	c.ProtoVersion, c.Keyspace, c.Consistency = 4, o.Keyspace, gocql.LocalQuorum
	c.NumConns = 2 * fleetGateways
	c.Timeout, c.ConnectTimeout = 10*time.Second, 10*time.Second
	c.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(gocql.DCAwareRoundRobinPolicy(o.DC))
	s, err := c.CreateSession()
	if err != nil {
		return nil, fmt.Errorf("bare driver: connect: %w", err)
	}
	return &bareDriver{s}, nil
}

func (b *bareDriver) close() { b.s.Close() }

func (b *bareDriver) exec(ctx context.Context, stmt string, values ...any) error {
	return b.s.Query(stmt, values...).WithContext(ctx).Idempotent(true).Exec()
}

// bareSlot is the node slot in the ids of its rows.
const bareSlot = 4002

// send writes one message's rows at once: the message, its claim, one inbox row a recipient.
func (b *bareDriver) send(ctx context.Context, n int64, conv chat.ConversationID, from chat.UserID, to []chat.UserID) error {
	m := id.Make(time.Now().UnixMilli()-id.EpochMillis, bareSlot, int(n%id.MaxSeq))
	micros, key, digest := m.UnixMillis()*1000, chat.NewClientMessageID(time.Now()), [8]byte{1}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return b.exec(ctx, bareMessage, gocql.UUID(conv), cqlstore.MessageBucket(chat.Direct, chat.MessageID(m)), int64(m), gocql.UUID(from), gocql.UUID(key), "text", text(n), micros)
	})
	g.Go(func() error {
		return b.exec(ctx, bareClaim, gocql.UUID(from), gocql.UUID(key), int64(m), gocql.UUID(conv), digest[:], micros)
	})
	bucket := cqlstore.InboxBucket(chat.EventID(m))
	for _, u := range to {
		g.Go(func() error {
			return b.exec(ctx, bareInbox, gocql.UUID(u), bucket, int64(m), "message", gocql.UUID(conv), int64(m), gocql.UUID(from), micros)
		})
	}
	return g.Wait()
}

// run has so many writers send messages to so many recipients each, one after the other, and returns messages a second
// over d, after a while to warm up.
func (b *bareDriver) run(ctx context.Context, writers, recipients int, warm, d time.Duration) (float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var sent, seq atomic.Int64
	var stop atomic.Bool
	var g errgroup.Group
	for range writers {
		g.Go(func() error {
			now := time.Now()
			from := chat.NewUserID(now)
			to := make([]chat.UserID, recipients)
			for i := range to {
				to[i] = chat.NewUserID(now)
			}
			conv := chat.DirectID(from, to[0])
			for !stop.Load() {
				if err := b.send(ctx, seq.Add(1), conv, from, to); err != nil {
					return fmt.Errorf("bare driver: write: %w", err)
				}
				sent.Add(1)
			}
			return nil
		})
	}
	pause := func(d time.Duration) {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	pause(warm)
	began, before := time.Now(), sent.Load()
	pause(d)
	n, took := sent.Load()-before, time.Since(began)
	stop.Store(true)
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return float64(n) / took.Seconds(), ctx.Err()
}
