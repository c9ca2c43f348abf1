package gateway

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
	"github.com/murre-chat/murre/pkg/service"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/faultstore"
)

// channel makes a channel of p with others as members.
func (p *person) channel(others ...*person) chat.ConversationID {
	p.r.t.Helper()
	var ids []chat.UserID
	for _, o := range others {
		ids = append(ids, o.id)
	}
	v, _, err := p.r.service.CreateConversation(context.Background(), p.caller(), service.CreateConversation{Kind: chat.Channel, Name: "news", Participants: ids})
	must(p.r.t, err)
	return v.ID
}

// A connection whose channels can't be read must not live on without them: its client would be told that it has everything.
func TestChannelsThatCanNotBeRead(t *testing.T) {
	for _, op := range []string{"Listing.Conversations", "Channels.ChannelCursor"} {
		t.Run(op, func(t *testing.T) {
			r := newRig(t)
			p, q := r.person(), r.person()
			ch := p.channel(q)
			heal := r.faults.Add(faultstore.Fault{Op: op})
			if op == "Listing.Conversations" { // it isn't let in at all
				if _, err := r.dial("", bearer(q.token)); err == nil || !strings.HasPrefix(err.Error(), "503") {
					t.Fatal(err)
				}
				r.eventually("nobody there", func() bool { return r.gateway.connections(q.id) == 0 })
			} else {
				ph := q.open(chat.DeviceID{})
				ph.until("reconnect")
				ph.closed(1001)
			}
			heal()
			ph := q.connect(chat.DeviceID{})
			r.eventually("follower", func() bool { return r.gateway.hub.followed(ch) })
			m := p.say(ch, "hello")
			if f := ph.until("message"); f.text("id") != m.ID.String() {
				t.Errorf("got %s, want %s", f.text("id"), m.ID)
			}
		})
	}
}

// Synced comes after what waits in channels, however long it takes to find out which those are.
func TestSyncedWaitsForChannels(t *testing.T) {
	r := newRig(t)
	p, q := r.person(), r.person()
	ch, direct := p.channel(q), p.chat(q)
	q.connect(chat.DeviceID{})
	r.eventually("follower", func() bool { return r.gateway.hub.followed(ch) })
	for _, own := range []bool{false, true} {
		r.gateway.hub.of(q.id, func(c *conn) { c.close(protocol.CloseDrain) })
		r.eventually("nobody there", func() bool { return r.gateway.connections(q.id) == 0 })
		want := []string{p.say(ch, "post").ID.String()}
		if own {
			want = append(want, p.say(direct, "hello").ID.String())
		}
		heal := r.faults.Add(faultstore.Fault{Op: "Listing.Conversations", Delay: 300 * time.Millisecond, OnlyDelay: true})
		ids := q.open(chat.DeviceID{}).catchUp()
		heal()
		slices.Sort(ids)
		slices.Sort(want)
		if !slices.Equal(ids, want) {
			t.Errorf("own messages too: %v: before synced came %v, want %v", own, ids, want)
		}
	}
}

// Whoever is connected while a channel is made with them gets what is posted there.
func TestAChannelThatIsMadeMeanwhile(t *testing.T) {
	r := newRig(t)
	p, q := r.person(), r.person()
	ph := q.connect(chat.DeviceID{})
	ch := p.channel(q)
	ph.until("conversation")
	m := p.say(ch, "hello")
	if f := ph.until("message"); f.text("id") != m.ID.String() {
		t.Errorf("got %s, want %s", f.text("id"), m.ID)
	}

	// The push of its making was lost, and found in the member's log.
	var c *conn
	r.gateway.hub.of(q.id, func(of *conn) { c = of })
	r.gateway.hub.unfollow(ch, c)
	c.dev.Unfollow(ch)
	made, err := r.store.Members.Membership(context.Background(), ch)
	must(t, err)
	c.Push(&chat.Push{
		Kind: chat.PushConversation, Event: chat.Event{Kind: chat.EventConversation, Conversation: ch, Message: m.ID, Actor: p.id},
		Conversation: &chat.ConversationChange{Conversation: made.Conversation, Change: chat.ChangeCreated, Subject: p.id},
	})
	r.eventually("follower", func() bool { return r.gateway.hub.followed(ch) })
	m = p.say(ch, "hello again")
	if f := ph.until("message"); f.text("id") != m.ID.String() {
		t.Errorf("got %s, want %s", f.text("id"), m.ID)
	}
}

// Who was removed from a channel elsewhere stops following it here, also when the store can't be asked at first.
func TestARemovedFollowerWhoseMembershipCanNotBeRead(t *testing.T) {
	r := newRig(t)
	p, q := r.person(), r.person()
	ch := p.channel(q)
	q.connect(chat.DeviceID{})
	r.eventually("follower", func() bool { return r.gateway.hub.followed(ch) })
	calls := r.faults.Calls("Members.Member")
	heal := r.faults.Add(faultstore.Fault{Op: "Members.Member"})
	r.gateway.rechecks.note(ch) // as the change log has it done
	r.eventually("look at the followers", func() bool { return r.faults.Calls("Members.Member") > calls })
	heal()
	// The removal itself is another gateway's: nothing is pushed here.
	m, err := r.store.Members.Membership(context.Background(), ch)
	must(t, err)
	me, err := r.store.Members.Member(context.Background(), ch, q.id)
	must(t, err)
	me.LeftID = chat.MessageID(r.db.Clock().Last()) + 1
	_, _, err = r.store.Members.Change(context.Background(), store.MemberChange{Conversation: ch, Version: m.Version, Set: []chat.Member{me}})
	must(t, err)
	r.eventually("end of following", func() bool { return !r.gateway.hub.followed(ch) })
}
