package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/loadtest/ledger"
	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/loadtest/result"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/protocol"
)

// world is two workers that share a population, and a server of a few lines.
type world struct {
	p     *population.Population
	books [2]*ledger.Book
	last  chat.MessageID
	notes []ledger.Note
}

func newWorld() *world {
	p := population.New(population.Shape{Seed: 4, Users: 60, Groups: 6, Min: 5, Max: 20, Tail: 1})
	w := &world{p: p, last: chat.MessageID(id.Make(time.Now().UnixMilli()-id.EpochMillis, 1, 0))}
	for i := range w.books {
		w.books[i] = ledger.NewBook(p, time.Now())
	}
	return w
}

func (w *world) book(user int) *ledger.Book { return w.books[user*2/w.p.Users] }

// write makes a message and returns it as the server would show it.
func (w *world) write(user, conv int) (ledger.Note, protocol.Message) {
	n := w.book(user).Make(user, conv)
	w.notes = append(w.notes, n)
	w.last++
	return n, w.message(n, w.last)
}

func (w *world) message(n ledger.Note, m chat.MessageID) protocol.Message {
	return protocol.Message{
		ID: m, Conversation: w.p.Conversation(n.Conversation), Sender: w.p.User(n.Sender), Content: string(n.AppendText(nil, 120)), Event: chat.EventID(m),
	}
}

func (w *world) ack(n ledger.Note, m *protocol.Message) {
	b := w.book(n.Sender)
	b.Acked(&n, m.ID, 0, false)
}

// deliver gives a message to all members but some.
func (w *world) deliver(n ledger.Note, m *protocol.Message, but ...int) {
	for k := range w.p.Size(n.Conversation) {
		user := w.p.Member(n.Conversation, k)
		if user == n.Sender || k < len(but) && but[k] == user {
			continue
		}
		w.book(user).Received(user, m, 0)
	}
}

// others are the members of a conversation beside one.
func (w *world) others(conv, user int) (out []int) {
	for k := range w.p.Size(conv) {
		if m := w.p.Member(conv, k); m != user {
			out = append(out, m)
		}
	}
	return out
}

// verdict is what the judge says of all books.
func (w *world) verdict(t *testing.T) result.Check {
	t.Helper()
	j := ledger.NewJudge(w.p)
	for i, b := range w.books {
		require.NoError(t, j.AddLines(b.Lines()))
		b.Claims(func(member int, packed []byte) {
			require.NoError(t, w.book(member).JudgeClaims(packed))
		})
		_ = i
	}
	suspects := j.Suspects()
	half := w.p.Users / 2
	for i, b := range w.books {
		j.AddMembers(b.Members(suspects, i*half, (i+1)*half))
		j.Add(b.Found())
	}
	return j.Check(0)
}

// chatter is a good run: everybody writes to their partner and their groups, and everything comes.
func (w *world) chatter() {
	for round := range 3 {
		for user := range w.p.Users {
			n, m := w.write(user, w.p.DirectOf(user))
			w.ack(n, &m)
			w.deliver(n, &m)
			if round == 1 {
				w.deliver(n, &m) // again: a push and a batch
			}
		}
		for g := range w.p.Groups {
			c := w.p.GroupConversation(g)
			n, m := w.write(w.p.Member(c, round), c)
			w.deliver(n, &m) // before its ack
			w.ack(n, &m)
		}
	}
}

// TestGreen: what is right is called right, and counted.
func TestGreen(t *testing.T) {
	w := newWorld()
	w.chatter()
	c := w.verdict(t)
	require.True(t, c.OK, "%v %v", c.Found, c.Examples)
	require.EqualValues(t, 3*(60+6), c.Messages)
	require.Equal(t, w.books[0].Owed+w.books[1].Owed, w.books[0].Got+w.books[1].Got)
	require.EqualValues(t, c.Receptions, w.books[0].Got+w.books[1].Got)
	require.Positive(t, w.books[0].Repeated)
}

// TestRed: each sin of a server is found, and called by its name.
func TestRed(t *testing.T) {
	const user = 3
	for name, c := range map[string]struct {
		want string
		sin  func(w *world)
	}{
		"lost by one of a group": {result.Lost, func(w *world) {
			c := w.p.GroupConversation(2)
			n, m := w.write(w.p.Member(c, 0), c)
			w.ack(n, &m)
			for _, other := range w.others(c, n.Sender)[1:] {
				w.book(other).Received(other, &m, 0)
			}
		}},
		"lost in a conversation that was silent else": {result.Lost, func(w *world) {
			n, m := w.write(user, w.p.DirectOf(user))
			w.ack(n, &m)
		}},
		"stored twice": {result.Doubled, func(w *world) {
			n, m := w.write(user, w.p.DirectOf(user))
			w.ack(n, &m)
			w.deliver(n, &m)
			w.last++
			m.ID = w.last
			w.deliver(n, &m)
		}},
		"acked twice": {result.Doubled, func(w *world) {
			n, m := w.write(user, w.p.DirectOf(user))
			w.ack(n, &m)
			w.deliver(n, &m)
			w.last++
			m.ID = w.last
			w.ack(n, &m)
		}},
		"under another id than acked": {result.Doubled, func(w *world) {
			n, m := w.write(user, w.p.DirectOf(user))
			w.ack(n, &m)
			w.last++
			m.ID = w.last
			w.deliver(n, &m)
		}},
		"swapped, seen by the sender": {result.Reordered, func(w *world) {
			a, ma := w.write(user, w.p.DirectOf(user))
			b, mb := w.write(user, w.p.DirectOf(user))
			ma.ID, mb.ID = mb.ID, ma.ID
			w.ack(a, &ma)
			w.ack(b, &mb)
			w.deliver(a, &ma)
			w.deliver(b, &mb)
		}},
		"swapped, seen by the receiver": {result.Reordered, func(w *world) {
			a, ma := w.write(user, w.p.DirectOf(user))
			w.ack(a, &ma)
			b, mb := w.write(user, w.p.DirectOf(user)) // after the first was acked
			w.ack(b, &mb)
			ma.ID, mb.ID = mb.ID, ma.ID
			w.deliver(a, &ma)
			w.deliver(b, &mb)
		}},
		"below an id from before": {result.Reordered, func(w *world) {
			n, m := w.write(user, w.p.DirectOf(user))
			w.book(user).Acked(&n, m.ID, m.ID+5, true)
			w.deliver(n, &m)
		}},
		"to a stranger": {result.WrongRecipient, func(w *world) {
			n, m := w.write(user, w.p.DirectOf(user))
			w.ack(n, &m)
			w.deliver(n, &m)
			for stranger := range w.p.Users {
				if !w.p.Holds(n.Conversation, stranger) {
					w.book(stranger).Received(stranger, &m, 0)
					return
				}
			}
		}},
		"in another conversation": {result.WrongRecipient, func(w *world) {
			n, m := w.write(user, w.p.DirectOf(user))
			w.ack(n, &m)
			w.deliver(n, &m)
			n2, m2 := w.write(user, w.p.DirectOf(user))
			w.ack(n2, &m2)
			m2.Conversation = w.p.Conversation(w.p.GroupConversation(0))
			w.deliver(n2, &m2)
		}},
		"altered": {result.Altered, func(w *world) {
			n, m := w.write(user, w.p.DirectOf(user))
			w.ack(n, &m)
			w.deliver(n, &m)
			m.Content = strings.Replace(m.Content, "fox", "cat", 1)
			w.deliver(n, &m)
		}},
		"under another sender": {result.Ghost, func(w *world) {
			n, m := w.write(user, w.p.DirectOf(user))
			w.ack(n, &m)
			w.deliver(n, &m)
			m.Sender = w.p.User(w.p.Partner(user))
			w.deliver(n, &m)
		}},
		"refused, and there": {result.Rejected, func(w *world) {
			n, m := w.write(user, w.p.DirectOf(user))
			w.book(user).Refused(&n)
			w.deliver(n, &m)
		}},
		"synced lied": {result.SyncedLied, func(w *world) {
			n, m := w.write(user, w.p.DirectOf(user))
			w.ack(n, &m)
			other := w.p.Partner(user)
			w.book(other).Received(other, &m, m.Event.Time().UnixMilli()+5000)
		}},
		"synced went back": {result.SyncedLied, func(w *world) { w.book(user).SyncedBack(user, 10_000, 2_000) }},
		"pending left":     {result.PendingLeft, func(w *world) { w.book(user).PendingLeft(user, 3) }},
		"log out of order": {result.Reordered, func(w *world) { w.book(user).Batch(user, 0, 0, []chat.EventID{5, 9, 7}) }},
		"log out of order, and not late": {result.Reordered, func(w *world) {
			b, now := w.book(user), time.Now()
			b.Late = 10 * time.Second
			old := chat.EventID(id.At(now.Add(-11 * time.Second)))
			b.Batch(user, old+1, now.UnixMilli(), []chat.EventID{old})
		}},
		"delivered to who hasn't got it": {result.StatusFalse, func(w *world) {
			w.book(user).Status(user, w.p.DirectOf(user), w.p.Partner(user), false, w.last+9)
		}},
		"read by who hasn't read it": {result.StatusFalse, func(w *world) {
			other, c := w.p.Partner(user), w.p.DirectOf(user)
			w.book(other).Read(other, c, w.last-20)
			w.book(user).Status(user, c, other, true, w.last)
		}},
		"receipt of a stranger": {result.WrongRecipient, func(w *world) {
			w.book(user).Status(user, w.p.DirectOf(user), -1, true, w.last)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.chatter()
			c.sin(w)
			got := w.verdict(t)
			require.False(t, got.OK)
			var kinds []string
			for _, f := range got.Found {
				kinds = append(kinds, f.Kind)
				require.NotZero(t, f.Invariant)
				require.Positive(t, f.Count)
			}
			require.Contains(t, kinds, c.want, "%+v", got)
			require.NotEmpty(t, got.Examples)
		})
	}
}

// TestWatermarks: those that are read again and again over REST only move forward, and end where the books do.
func TestWatermarks(t *testing.T) {
	w := newWorld()
	const user = 3
	conv, other := w.p.DirectOf(user), w.p.Partner(user)
	n, m := w.write(user, conv)
	w.ack(n, &m)
	w.deliver(n, &m)
	watch := ledger.NewWatch(w.p, time.Now())
	watch.Marks(conv, other, 0, 0)
	watch.Marks(conv, other, m.ID, 0)
	watch.Marks(conv, other, m.ID, 0)
	counts, _ := watch.Found()
	require.Empty(t, counts)
	watch.Claims(func(member int, packed []byte) { require.NoError(t, w.book(member).JudgeClaims(packed)) })
	require.True(t, w.verdict(t).OK)

	watch.Marks(conv, other, m.ID-1, 0)
	counts, told := watch.Found()
	require.Equal(t, map[string]int64{result.StatusBack: 1}, counts)
	require.Len(t, told, 1)
	watch.Marks(conv, other, m.ID+1, m.ID)
	watch.Claims(func(member int, packed []byte) { require.NoError(t, w.book(member).JudgeClaims(packed)) })
	c := w.verdict(t)
	require.Equal(t, result.StatusFalse, c.Found[0].Kind)
	require.EqualValues(t, 2, c.Found[0].Count, "delivered and read")
}

// TestUnknown: what was never answered may be there or not.
func TestUnknown(t *testing.T) {
	for _, there := range []bool{false, true} {
		w := newWorld()
		w.chatter()
		n, m := w.write(3, w.p.DirectOf(3))
		if there {
			w.deliver(n, &m)
		}
		c := w.verdict(t)
		require.True(t, c.OK, "%+v", c)
		require.EqualValues(t, 1, c.Unknown)
	}
}

// TestWindow: a conversation that goes on for long keeps a window, and what comes again from before it isn't counted twice.
func TestWindow(t *testing.T) {
	w := newWorld()
	const user = 3
	var first protocol.Message
	var firstNote ledger.Note
	for i := range 2 * ledger.Window {
		n, m := w.write(user, w.p.DirectOf(user))
		if i == 0 {
			first, firstNote = m, n
		}
		w.ack(n, &m)
		w.deliver(n, &m)
	}
	held := w.books[0].StateBytes() + w.books[1].StateBytes()
	w.deliver(firstNote, &first)
	c := w.verdict(t)
	require.True(t, c.OK, "%+v", c)
	require.Less(t, held, int64(ledger.Window*24+2000))
}

// TestNote: a text gives back its note, whatever its size, and nothing else does.
func TestNote(t *testing.T) {
	n := ledger.Note{Conversation: 1<<32 - 1, Sender: 1<<32 - 1, Number: 1<<32 - 1, Barrier: 1<<32 - 1, Due: 1<<53 - 1}
	for _, size := range []int{0, ledger.MinText, 120, 4000} {
		text := string(n.AppendText(nil, size))
		got, ok := ledger.ParseText(text)
		require.True(t, ok)
		require.Equal(t, n, got)
		if size >= ledger.MinText {
			require.Len(t, text, size)
		}
	}
	for _, bad := range []string{"", "load:", "hello", "load:1:2:3:4:5:deadbeef", "load:1:2:00000000"} {
		_, ok := ledger.ParseText(bad)
		require.False(t, ok, bad)
	}
}
