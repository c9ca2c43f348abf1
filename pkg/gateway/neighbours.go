package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
	"github.com/murre-chat/murre/pkg/session"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// retryFollow is how long after a failure the registry is told of followed channels again.
	retryFollow = 3 * time.Second
	// retryRecheck is how long after a failure the followers of a channel are looked at again.
	retryRecheck = time.Second
	// maxJoins is how many memberships found in logs wait to be carried out.
	maxJoins = 4096
)

// channelSet is channels that something is to be done about, each once: those whose first or last follower came or went, so
// that the registry must be told (what it is told is read from the hub at that time: the order of events doesn't matter), and
// those whose followers are to be looked at. All are followed here, or were a moment ago.
type channelSet struct {
	kick chan struct{}

	mu    sync.Mutex
	dirty map[chat.ConversationID]struct{}
}

func (f *channelSet) note(chs ...chat.ConversationID) {
	if len(chs) == 0 {
		return
	}
	f.mu.Lock()
	if f.dirty == nil {
		f.dirty = make(map[chat.ConversationID]struct{})
	}
	for _, ch := range chs {
		f.dirty[ch] = struct{}{}
	}
	f.mu.Unlock()
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// take empties the set.
func (f *channelSet) take() map[chat.ConversationID]struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	dirty := f.dirty
	f.dirty = nil
	return dirty
}

// runFollowing tells the registry which channels have followers here, until ctx ends.
func (g *Gateway) runFollowing(ctx context.Context) {
	f := &g.following
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.kick:
		}
		var failed []chat.ConversationID
		for ch := range f.take() {
			call, cancel := context.WithTimeout(ctx, commandTimeout)
			err := g.o.Sessions.Follow(call, g.o.Self, ch, g.hub.followed(ch))
			cancel()
			if err != nil {
				failed = append(failed, ch)
			}
		}
		if len(failed) == 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryFollow):
			f.note(failed...)
		}
	}
}

// Changed carries out what an entry of the change log means for open connections. It doesn't block. The bus usually told
// of it before.
func (g *Gateway) Changed(e *store.ChangeEntry) {
	switch e.Kind {
	case store.LogSession:
		g.hub.of(e.User, func(c *conn) {
			if e.Session == ([32]byte{}) || c.session == e.Session {
				c.close(protocol.CloseRevoked)
			}
		})
	case store.LogDevice:
		g.hub.of(e.User, accompany)
		if e.Removed {
			g.hub.of(e.User, func(c *conn) {
				if c.device == e.Device {
					c.close(protocol.CloseRevoked)
				}
			})
		}
	case store.LogMembers:
		if g.hub.followed(e.Conversation) {
			g.rechecks.note(e.Conversation)
		}
	}
}

// runRechecks lets those leave a channel that changed who are no members of it any more, until ctx ends.
func (g *Gateway) runRechecks(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.rechecks.kick:
		}
		var failed []chat.ConversationID
		for ch := range g.rechecks.take() {
			if err := g.recheck(ctx, ch); err != nil {
				failed = append(failed, ch)
			}
		}
		if len(failed) == 0 {
			continue
		}
		g.o.Log.Warn("look at the followers of changed channels, will try again", "channels", len(failed))
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryRecheck):
			g.rechecks.note(failed...)
		}
	}
}

// recheck looks at the followers of a channel here. After an error some may still follow who must not.
func (g *Gateway) recheck(ctx context.Context, ch chat.ConversationID) error {
	var all []*conn
	g.hub.ofChannel(ch, func(c *conn) { all = append(all, c) })
	for _, c := range all {
		call, cancel := context.WithTimeout(ctx, commandTimeout)
		me, err := g.o.Store.Members.Member(call, ch, c.user)
		cancel()
		switch {
		case errors.Is(err, store.ErrNotFound) || err == nil && !me.Active():
			g.following.note(g.hub.unfollow(ch, c)...)
			c.dev.Unfollow(ch)
		case err != nil:
			return fmt.Errorf("read a follower's membership: %w", err)
		}
	}
	return nil
}

// Sessions calls yield for each connection here, until it returns false.
func (g *Gateway) Sessions(yield func(session.Entry) bool) {
	on := true
	g.hub.each(func(c *conn) { on = on && yield(c.entry()) })
}

// Replaced closes a connection whose device turned out to have a newer one on another gateway.
func (g *Gateway) Replaced(e session.Entry) {
	g.hub.of(e.User, func(c *conn) {
		if c.device == e.Device && c.seq <= e.Seq {
			c.close(protocol.CloseReplaced)
		}
	})
}

// nextSeq numbers connections so that a device's later one has the larger number, on whichever gateway: by the wall clock,
// whose difference between gateways is bounded.
func (g *Gateway) nextSeq() int64 {
	for {
		last := g.seq.Load()
		next := max(last+1, g.o.Now().UnixMicro())
		if g.seq.CompareAndSwap(last, next) {
			return next
		}
	}
}

// joinLater has a membership change of a channel carried out that was found in a log: its live push was lost.
func (g *Gateway) joinLater(p *chat.Push) {
	select {
	case g.joins <- p:
	default: // the next connection of the user follows what it must
	}
}

func (g *Gateway) runJoins(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-g.joins:
			g.channelMembership(p)
		}
	}
}
