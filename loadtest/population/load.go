package population

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/cqlstore"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
	"github.com/murre-chat/murre/pkg/transfer"
)

// Progress is told now and then how many users and conversations of how many are in the store.
type Progress func(done, all int)

func (p *Population) user(i int) chat.User {
	name := p.Username(i)
	return chat.User{ID: p.User(i), Username: name, DisplayName: name, External: p.Subject(i), CreatedAt: p.Made}
}

// device is user i's device as if it had been there, and had everything, at Made.
func (p *Population) device(i int, dc string) chat.Device {
	return chat.Device{
		User: p.User(i), ID: p.Device(i), Name: "load", Kind: "load", CreatedAt: p.Made, SeenAt: p.Made, DC: dc,
		AckedTo: chat.EventID(id.Make(p.Made-id.EpochMillis, 0, 0)),
	}
}

// joined is the id that members' rows of groups have: everything after it is theirs.
func (p *Population) joined() chat.MessageID {
	return chat.MessageID(id.Make(p.Made-id.EpochMillis, 0, 0))
}

func (p *Population) conversation(c int) chat.Conversation {
	conv := chat.Conversation{ID: p.Conversation(c), Kind: chat.Direct, CreatedBy: p.User(p.Member(c, 0)), CreatedAt: p.Made}
	if p.IsGroup(c) {
		conv.Kind, conv.Name = chat.Group, fmt.Sprintf("load %d", c-p.Pairs())
	}
	return conv
}

// OpenEmbedded opens the store of an embedded server that isn't running, for much to be written at once; dir is its folder.
func OpenEmbedded(dir string) (*pebblestore.DB, error) {
	return pebblestore.Open(pebblestore.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), MemTableBytes: 64 << 20})
}

// OpenCQL opens a keyspace for much to be written at once, which may wait longer for its answers than a gateway.
func OpenCQL(ctx context.Context, url string) (*cqlstore.DB, error) {
	o, err := cqlstore.Parse(url)
	if err != nil {
		return nil, err
	}
	o.Log, o.Timeout = slog.New(slog.DiscardHandler), 20*time.Second
	return cqlstore.Open(ctx, o)
}

// LoadEmbedded writes everybody into the data of an embedded server that isn't running; dir is its store's folder.
func (p *Population) LoadEmbedded(ctx context.Context, dir string, progress Progress) error {
	db, err := OpenEmbedded(dir)
	if err != nil {
		return fmt.Errorf("load the population: %w", err)
	}
	s := db.Ports()
	err = p.eachOf(ctx, 1, 256, progress, func(ctx context.Context, from, _ int) error {
		if from < p.Users {
			if err := s.Users.Create(ctx, p.user(from)); err != nil {
				return err
			}
			return s.Devices.Put(ctx, p.device(from, ""))
		}
		return p.createEmbedded(ctx, s, from-p.Users)
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("load the population: %w", err)
	}
	return nil
}

func (p *Population) createEmbedded(ctx context.Context, s store.Store, c int) error {
	conv := p.conversation(c)
	if !p.IsGroup(c) {
		return s.Members.CreateDirect(ctx, conv, p.User(p.Member(c, 0)), p.User(p.Member(c, 1)))
	}
	change := store.MemberChange{Conversation: conv.ID, Create: &conv}
	for k := range p.Size(c) {
		change.Set = append(change.Set, p.member(c, k))
		change.Listed = append(change.Listed, p.User(p.Member(c, k)))
	}
	_, _, err := s.Members.Change(ctx, change)
	return err
}

// member is the row of the k-th member; the first one of a group is its admin.
func (p *Population) member(c, k int) chat.Member {
	m := chat.Member{User: p.User(p.Member(c, k)), Role: chat.RoleMember, JoinedAt: p.Made, LeftID: chat.NotLeft}
	if p.IsGroup(c) {
		m.JoinedID = p.joined()
		if k == 0 {
			m.Role = chat.RoleAdmin
		}
	}
	return m
}

// LoadCQL writes everybody into a keyspace that nobody else makes users in meanwhile.
func (p *Population) LoadCQL(ctx context.Context, url string, progress Progress) error {
	db, err := OpenCQL(ctx, url)
	if err != nil {
		return fmt.Errorf("load the population: %w", err)
	}
	imp := cqlstore.NewImporter(db, cqlstore.ImportOptions{Made: p.Made, Alone: true})
	const chunk, writers = 500, 4
	err = p.eachOf(ctx, chunk, writers, progress, func(ctx context.Context, from, to int) error {
		rows := make([]transfer.Row, 0, 6*chunk)
		for i := from; i < to; i++ {
			if i < p.Users {
				rows = append(rows, transfer.Row{Value: p.user(i)}, transfer.Row{Value: p.device(i, db.DC())})
			} else {
				rows = p.conversationRows(rows, i-p.Users)
			}
		}
		return patiently(ctx, func() error { return imp.Write(ctx, rows) })
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("load the population: %w", err)
	}
	return nil
}

// patiently tries again what a store couldn't do in time, as when it writes out what it has gathered: the same rows twice
// change nothing.
func patiently(ctx context.Context, write func() error) error {
	const attempts = 8
	pause := time.Second
	for n := 1; ; n++ {
		err := write()
		if n == attempts || !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
			pause = min(2*pause, 20*time.Second)
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
}

func (p *Population) conversationRows(rows []transfer.Row, c int) []transfer.Row {
	conv := p.conversation(c)
	rows = append(rows, transfer.Row{Value: transfer.ConversationRow{Conversation: conv, Version: 1}})
	listed := store.ListedConversation{Conversation: conv.ID, Kind: conv.Kind, Listed: true}
	for k := range p.Size(c) {
		m := p.member(c, k)
		rows = append(rows,
			transfer.Row{Value: transfer.MemberRow{Conversation: conv.ID, Kind: conv.Kind, Created: p.Made, Member: m}},
			transfer.Row{Value: transfer.ListedRow{User: m.User, Created: p.Made, ListedConversation: listed}})
	}
	return rows
}

// eachOf does users and then conversations in chunks, so many at once.
func (p *Population) eachOf(ctx context.Context, chunk, writers int, progress Progress, do func(ctx context.Context, from, to int) error) error {
	all := p.Users + p.Conversations()
	var done atomic.Int64
	stop := make(chan struct{})
	told := make(chan struct{})
	go func() {
		defer close(told)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if progress != nil {
					progress(int(done.Load()), all)
				}
			case <-stop:
				return
			}
		}
	}()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writers)
	for _, part := range [][2]int{{0, p.Users}, {p.Users, all}} {
		for from := part[0]; from < part[1] && ctx.Err() == nil; from += chunk {
			to := min(from+chunk, part[1])
			g.Go(func() error {
				if err := do(ctx, from, to); err != nil {
					return fmt.Errorf("%d of %d: %w", from, all, err)
				}
				done.Add(int64(to - from))
				return nil
			})
		}
	}
	err := g.Wait()
	close(stop)
	<-told
	return err
}
