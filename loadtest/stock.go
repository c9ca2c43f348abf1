package loadtest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/cqlstore"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
	"github.com/murre-chat/murre/pkg/transfer"
)

// bulkSlot is the node slot in ids of bulk-loaded messages, and the one above of their events: none that a server has.
const bulkSlot = 4000

// stock is where rows are loaded in bulk, past the server: so many messages can't be sent in the time that a bench has.
// The rows are the same.
type stock interface {
	// direct makes users and their direct conversations with one who exists.
	direct(ctx context.Context, with chat.UserID, users []chat.User) error
	// messages appends n messages, those of so many conversations in turn.
	messages(ctx context.Context, n, turns int, make func(i int) *store.Append) error
	close() error
}

// stock opens the data of a stopped server, or of a cluster.
func (r *rig) stock(ctx context.Context) (stock, error) {
	if r.fleet != nil {
		return openCQLStock(ctx, r.fleet.c.StoreURL())
	}
	db, err := population.OpenEmbedded(filepath.Join(r.dir, "data", "store"))
	if err != nil {
		return nil, fmt.Errorf("bulk load: %w", err)
	}
	return &pebbleStock{db, db.Ports()}, nil
}

// bulk fills the store.
func (r *rig) bulk(ctx context.Context, fill func(ctx context.Context, s stock) error) error {
	s, err := r.stock(ctx)
	if err != nil {
		return err
	}
	if err := fill(ctx, s); err != nil {
		return errors.Join(fmt.Errorf("bulk load: %w", err), s.close())
	}
	return s.close()
}

// pebbleStock is an embedded server's store, written through the port that the server uses.
type pebbleStock struct {
	db *pebblestore.DB
	s  store.Store
}

func (p *pebbleStock) direct(ctx context.Context, with chat.UserID, users []chat.User) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(128)
	for _, u := range users {
		g.Go(func() error {
			if err := p.s.Users.Create(ctx, u); err != nil {
				return err
			}
			c := chat.Conversation{ID: chat.DirectID(with, u.ID), Kind: chat.Direct, CreatedBy: u.ID, CreatedAt: u.CreatedAt}
			return p.s.Members.CreateDirect(ctx, c, with, u.ID)
		})
	}
	return g.Wait()
}

// messages appends from many goroutines, which share commits.
func (p *pebbleStock) messages(ctx context.Context, n, _ int, make func(i int) *store.Append) error {
	const writers = 256
	g, ctx := errgroup.WithContext(ctx)
	for w := range writers {
		g.Go(func() error {
			for i := w; i < n; i += writers {
				if _, err := p.s.Messages.Append(ctx, make(i)); err != nil {
					return fmt.Errorf("message %d: %w", i, err)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (p *pebbleStock) close() error {
	if err := p.db.Close(); err != nil {
		return fmt.Errorf("bulk load: close: %w", err)
	}
	return nil
}

// cqlStock is a cluster's store, written as `murre copy` does: rows of one partition in one batch.
type cqlStock struct {
	db  *cqlstore.DB
	imp *cqlstore.Importer
}

func openCQLStock(ctx context.Context, url string) (*cqlStock, error) {
	db, err := population.OpenCQL(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("bulk load: %w", err)
	}
	return &cqlStock{db, cqlstore.NewImporter(db, cqlstore.ImportOptions{Made: time.Now().UnixMilli()})}, nil
}

// writeRows writes n rows in chunks, a few at once.
func (c *cqlStock) writeRows(ctx context.Context, n int, row func(i int) transfer.Row) error {
	const chunk, writers = 1000, 6
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writers)
	for from := 0; from < n && ctx.Err() == nil; from += chunk {
		g.Go(func() error {
			rows := make([]transfer.Row, 0, chunk)
			for i := from; i < min(from+chunk, n); i++ {
				rows = append(rows, row(i))
			}
			return c.imp.Write(ctx, rows)
		})
	}
	return g.Wait()
}

func (c *cqlStock) direct(ctx context.Context, with chat.UserID, users []chat.User) error {
	const each = 6
	return c.writeRows(ctx, each*len(users), func(i int) transfer.Row {
		u := users[i/each]
		conv := chat.Conversation{ID: chat.DirectID(with, u.ID), Kind: chat.Direct, CreatedBy: u.ID, CreatedAt: u.CreatedAt}
		listed := store.ListedConversation{Conversation: conv.ID, Kind: chat.Direct, Listed: true}
		member := chat.Member{Role: chat.RoleMember, JoinedAt: u.CreatedAt, LeftID: chat.NotLeft}
		switch i % each {
		case 0:
			return transfer.Row{Value: u}
		case 1:
			return transfer.Row{Value: transfer.ConversationRow{Conversation: conv, Version: 1}}
		case 2:
			member.User = with
			return transfer.Row{Value: transfer.MemberRow{Conversation: conv.ID, Kind: chat.Direct, Created: conv.CreatedAt, Member: member}}
		case 3:
			member.User = u.ID
			return transfer.Row{Value: transfer.MemberRow{Conversation: conv.ID, Kind: chat.Direct, Created: conv.CreatedAt, Member: member}}
		case 4:
			return transfer.Row{Value: transfer.ListedRow{User: with, Created: conv.CreatedAt, ListedConversation: listed}}
		}
		return transfer.Row{Value: transfer.ListedRow{User: u.ID, Created: conv.CreatedAt, ListedConversation: listed}}
	})
}

// messages writes a conversation's messages one after the other, then the logs, so that batches are large.
func (c *cqlStock) messages(ctx context.Context, n, turns int, make func(i int) *store.Append) error {
	per := (n + turns - 1) / turns
	if err := c.writeRows(ctx, per*turns, func(i int) transfer.Row {
		a := make(min(i%per*turns+i/per, n-1))
		return transfer.Row{Value: transfer.MessageRow{Kind: a.Kind, Message: a.Message}}
	}); err != nil {
		return err
	}
	if len(make(0).Recipients) == 0 {
		return nil
	}
	return c.writeRows(ctx, n, func(i int) transfer.Row {
		a := make(i)
		m := id.ID(a.Message.ID)
		e := chat.Event{ID: chat.EventID(id.Make(m.UnixMillis()-id.EpochMillis, bulkSlot+1, m.Seq())), Kind: chat.EventMessage,
			Conversation: a.Message.Conversation, Message: a.Message.ID, Actor: a.Message.Sender}
		return transfer.Row{Value: transfer.LogRow{User: a.Recipients[0], Event: e}}
	})
}

func (c *cqlStock) close() error { return c.db.Close() }
