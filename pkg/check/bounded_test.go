package check

import (
	"encoding/binary"
	"testing"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

// Without Exact what a checker keeps is bounded by what is under way, however long the stream is.
func TestMemoryIsBoundedByWhatIsUnderWay(t *testing.T) {
	const window, messages = 64, 20_000
	c := New(Options{Window: window})
	a, b := chat.UserID{1}, chat.UserID{2}
	from, to := chat.DeviceID{1}, chat.DeviceID{2}
	conv := chat.ConversationID{9}
	c.AddAll([]Event{
		{At: 1, Kind: DeviceAdded, User: a, Device: from}, {At: 1, Kind: DeviceAdded, User: b, Device: to},
		{At: 2, Kind: Joined, User: a, Conversation: conv}, {At: 2, Kind: Joined, User: b, Conversation: conv},
	})
	for n := range messages {
		var key chat.ClientMessageID
		binary.BigEndian.PutUint32(key[:], uint32(n+1))
		at, m := int64(10+10*n), chat.MessageID(id.AtMillis(1_800_000_000_000+int64(n)))
		e := Event{At: at, Kind: Sent, User: a, Device: from, Conversation: conv, Client: key, Digest: 1}
		c.Add(e)
		e.Kind, e.Message = Acked, m
		c.Add(e)
		got := Event{At: at, Kind: Received, User: b, Device: to, Conversation: conv, Client: key, Sender: a, Message: m, Digest: 1}
		c.Add(got)
		c.Add(got) // told again
		got.Kind = Shown
		c.Add(got)
	}
	v := c.convs[conv]
	if len(c.bySend) > 1 || len(v.live) > 1 || len(v.byID) > 1 || len(v.recent) > window || len(v.ring) > window ||
		len(c.devices[to].shown)+len(c.devices[to].shownOld) > 2*window {
		t.Errorf("kept %d sends, %d live, %d ids, %d recent, %d shown", len(c.bySend), len(v.live), len(v.byID), len(v.recent), len(c.devices[to].shown))
	}
	if r := c.Finish(); !r.OK() || r.Received != messages || r.Repeated != messages {
		t.Error(r)
	}
}

func BenchmarkAdd(b *testing.B) {
	c := New(Options{})
	u, w := chat.UserID{1}, chat.UserID{2}
	from, to := chat.DeviceID{1}, chat.DeviceID{2}
	conv := chat.ConversationID{9}
	c.AddAll([]Event{
		{Kind: DeviceAdded, User: u, Device: from}, {Kind: DeviceAdded, User: w, Device: to},
		{Kind: Joined, User: u, Conversation: conv}, {Kind: Joined, User: w, Conversation: conv},
	})
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		var key chat.ClientMessageID
		binary.BigEndian.PutUint64(key[:], uint64(n+1))
		e := Event{At: int64(10 + n), Kind: Sent, User: u, Device: from, Conversation: conv, Client: key}
		c.Add(e)
		e.Kind, e.Message = Acked, chat.MessageID(n+1)
		c.Add(e)
		c.Add(Event{At: e.At, Kind: Received, User: w, Device: to, Conversation: conv, Client: key, Sender: u, Message: e.Message})
	}
}
