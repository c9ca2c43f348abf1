package check_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/check"
)

// world makes histories of a server that keeps its promises: 20 users with a second device for some, direct
// conversations and one group of all, a restart in between with resends and repeated deliveries.
type world struct {
	events []check.Event
	now    int64 // µs
	last   id.ID
	users  []chat.UserID
	convs  []chat.ConversationID
	member map[chat.ConversationID][]int
	rows   map[chat.ConversationID][]check.Event
}

func uid(n int) (u chat.UserID) { binary.BigEndian.PutUint32(u[:], uint32(n+1)); return }
func did(u, n int) (d chat.DeviceID) {
	binary.BigEndian.PutUint32(d[:], uint32(u+1))
	d[15] = byte(n + 1)
	return
}
func cid(n int) (c chat.ConversationID) {
	binary.BigEndian.PutUint32(c[:], uint32(n+1))
	c[8] = 0x80
	return
}
func mid(n int) (c chat.ClientMessageID) {
	binary.BigEndian.PutUint32(c[:], uint32(n+1))
	c[6] = 0x70
	return
}
func devices(u int) int        { return 1 + u%2 }
func (w *world) nextID() int64 { w.last = max(w.last+1, id.AtMillis(w.now/1000)); return int64(w.last) }
func (w *world) add(e check.Event) *check.Event {
	w.now += 50
	e.At = w.now
	w.events = append(w.events, e)
	return &w.events[len(w.events)-1]
}

func newWorld(messages int) *world {
	w := &world{
		now: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), member: map[chat.ConversationID][]int{},
		rows: map[chat.ConversationID][]check.Event{},
	}
	for u := range 20 {
		w.users = append(w.users, uid(u))
		for d := range devices(u) {
			w.add(check.Event{Kind: check.DeviceAdded, User: uid(u), Device: did(u, d)})
		}
	}
	all := make([]int, 20)
	for i := range all {
		all[i] = i
	}
	for i := range 11 {
		members := []int{2 * i, 2*i + 1}
		if i == 10 {
			members = all
		}
		w.convs = append(w.convs, cid(i))
		w.member[cid(i)] = members
		for _, u := range members {
			w.add(check.Event{Kind: check.Joined, User: uid(u), Conversation: cid(i)})
		}
	}
	for n := range messages {
		w.message(n, n == messages/2)
		if n == messages/2 {
			w.add(check.Event{Kind: check.Restart})
		}
	}
	w.quiesce()
	return w
}

func (w *world) message(n int, crash bool) {
	c := w.convs[n%11]
	members := w.member[c]
	from := members[n%len(members)]
	digest := check.Digest(fmt.Sprint("text ", n))
	msg := chat.MessageID(w.nextID())
	event := chat.EventID(w.nextID())
	send := check.Event{Kind: check.Sent, User: uid(from), Device: did(from, 0), Conversation: c, Client: mid(n), Digest: digest}
	w.add(send)
	deliver := func(via check.Via) {
		for _, u := range members {
			for d := range devices(u) {
				if u == from && d == 0 {
					continue
				}
				w.add(check.Event{Kind: check.Received, Via: via, User: uid(u), Device: did(u, d), Conversation: c, Message: msg,
					Sender: uid(from), Client: mid(n), Event: event, Digest: digest})
				w.add(check.Event{Kind: check.AckSent, User: uid(u), Device: did(u, d), Conversation: c, Message: msg})
			}
		}
	}
	deliver(check.Push)
	if crash {
		w.add(send)
		deliver(check.Batch)
	}
	w.add(check.Event{Kind: check.Acked, User: uid(from), Device: did(from, 0), Conversation: c, Client: mid(n), Message: msg})
	for _, u := range members {
		if u == from {
			continue
		}
		w.add(check.Event{Kind: check.StatusSeen, User: uid(from), Conversation: c, Sender: uid(u), Message: msg, Status: chat.Delivered})
		if n%5 == 0 {
			w.add(check.Event{Kind: check.ReadSent, User: uid(u), Device: did(u, 0), Conversation: c, Message: msg})
			w.add(check.Event{Kind: check.StatusSeen, User: uid(from), Conversation: c, Sender: uid(u), Message: msg, Status: chat.Read})
			w.add(check.Event{Kind: check.ReceiptSeen, User: uid(from), Conversation: c, Sender: uid(u), Message: msg, ReadTo: msg})
		}
	}
	w.rows[c] = append(w.rows[c], check.Event{Kind: check.Row, Conversation: c, Message: msg, Sender: uid(from), Client: mid(n), Digest: digest})
}

func (w *world) quiesce() {
	w.now += 1000
	for u := range w.users {
		for d := range devices(u) {
			w.add(check.Event{Kind: check.Connected, User: uid(u), Device: did(u, d), Cursor: chat.EventID(w.last)})
			w.add(check.Event{Kind: check.Synced, User: uid(u), Device: did(u, d), UpTo: w.now / 1000})
			w.add(check.Event{Kind: check.Pending, User: uid(u), Device: did(u, d)})
		}
	}
	for _, c := range w.convs {
		for _, u := range w.member[c] {
			for _, r := range w.rows[c] {
				r.User = uid(u)
				w.add(r)
			}
			w.add(check.Event{Kind: check.RowsEnd, User: uid(u), Conversation: c})
		}
	}
}

func judge(events []check.Event, o check.Options) check.Report {
	o.AllListed = true
	c := check.New(o)
	c.AddAll(events)
	return c.Finish()
}

// index finds the n-th event that a condition holds for.
func index(t *testing.T, events []check.Event, n int, ok func(e *check.Event) bool) int {
	t.Helper()
	for i := range events {
		if ok(&events[i]) {
			if n == 0 {
				return i
			}
			n--
		}
	}
	t.Fatal("no such event in the history")
	return -1
}

func drop(events []check.Event, i int) []check.Event { return slices.Delete(events, i, i+1) }

func TestACorrectHistoryIsGreen(t *testing.T) {
	w := newWorld(2000)
	for _, o := range []check.Options{{Exact: true}, {}, {Window: 8}} {
		r := judge(w.events, o)
		if !r.OK() {
			t.Errorf("options %+v: %s", o, r)
		}
		if r.Acked != 2000 || r.Sent != 2000 || r.Restarts != 1 || r.Repeated == 0 {
			t.Errorf("options %+v: counted wrongly: %s", o, r)
		}
	}
}

func TestRecordedHistoriesRoundTrip(t *testing.T) {
	w := newWorld(50)
	var b bytes.Buffer
	if err := check.WriteLog(&b, w.events); err != nil {
		t.Fatal(err)
	}
	var back []check.Event
	if err := check.ReadLog(&b, func(e check.Event) { back = append(back, e) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.events, back) {
		t.Error("what was read is not what was written")
	}
}

// TestBrokenHistoriesAreRed breaks a correct history in one way each: the checker must say which way it was, about
// the right message, and nothing else.
func TestBrokenHistoriesAreRed(t *testing.T) {
	kind := func(k check.Kind) func(*check.Event) bool { return func(e *check.Event) bool { return e.Kind == k } }
	type mutation func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID)
	for _, tc := range []struct {
		name   string
		want   check.Verdict
		also   []check.Verdict // consequences
		exact  bool            // only the exact mode can tell
		broken mutation
	}{
		{name: "one received message in 10,000 dropped", want: check.Undelivered, also: []check.Verdict{check.SyncedLied, check.CursorPassed, check.StatusFalse},
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 9999, kind(check.Received))
				m := ev[i].Message
				return drop(ev, i), m
			}},
		{name: "never delivered to anybody", want: check.Undelivered, also: []check.Verdict{check.SyncedLied, check.StatusFalse},
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				m := ev[index(t, ev, 500, kind(check.Acked))].Message
				return slices.DeleteFunc(ev, func(e check.Event) bool { return e.Kind == check.Received && e.Message == m }), m
			}},
		{name: "missing from history", want: check.Lost,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				m := ev[index(t, ev, 500, kind(check.Acked))].Message
				return slices.DeleteFunc(ev, func(e check.Event) bool { return e.Kind == check.Row && e.Message == m }), m
			}},
		{name: "a history that nobody read", want: check.Lost,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				return slices.DeleteFunc(ev, func(e check.Event) bool {
					return (e.Kind == check.Row || e.Kind == check.RowsEnd) && e.Conversation == cid(3)
				}), 0
			}},
		{name: "two neighbours swapped in history", want: check.Disorder,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 100, kind(check.Row))
				ev[i], ev[i+1] = ev[i+1], ev[i]
				return ev, ev[i+1].Message
			}},
		{name: "stored twice", want: check.Duplicate, also: []check.Verdict{check.Ghost},
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 100, kind(check.Row))
				twin := ev[i]
				twin.Message++
				return slices.Insert(ev, i+1, twin), 0
			}},
		{name: "listed twice", want: check.Duplicate,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 100, kind(check.Row))
				return slices.Insert(ev, i+1, ev[i]), ev[i].Message
			}},
		{name: "shown twice", want: check.ShownTwice,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				e := ev[index(t, ev, 100, kind(check.Received))]
				e.Kind = check.Shown
				return append(ev, e, e), e.Message
			}},
		{name: "a sender's two messages swapped", want: check.Disorder, also: []check.Verdict{check.IDWentBack, check.Lost}, exact: true,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				first := ev[index(t, ev, 0, func(e *check.Event) bool { return e.Kind == check.Acked && e.Conversation == cid(2) })]
				second := ev[index(t, ev, 1, func(e *check.Event) bool {
					return e.Kind == check.Acked && e.Conversation == cid(2) && e.User == first.User
				})]
				for i := range ev {
					if ev[i].Conversation == cid(2) && ev[i].Client == first.Client && ev[i].Message != 0 {
						ev[i].Message = second.Message
					} else if ev[i].Conversation == cid(2) && ev[i].Client == second.Client && ev[i].Message != 0 {
						ev[i].Message = first.Message
					}
				}
				return slices.DeleteFunc(ev, func(e check.Event) bool {
					return e.Conversation == cid(2) && (e.Kind == check.Row || e.Kind == check.RowsEnd || e.Kind == check.StatusSeen || e.Kind == check.ReceiptSeen || e.Kind == check.ReadSent)
				}), 0
			}},
		{name: "a reply before its parent", want: check.Disorder,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 300, kind(check.Acked))
				for j := range ev[:i] {
					if ev[j].Kind == check.Sent && ev[j].Client == ev[i].Client {
						ev[j].ReplyTo = ev[i].Message + 1000
					}
				}
				return ev, ev[i].Message
			}},
		{name: "a watermark cut back", want: check.StatusBack,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 40, kind(check.ReceiptSeen))
				e := ev[i]
				e.Message, e.ReadTo = e.Message-1, e.ReadTo-1
				return slices.Insert(ev, i+1, e), e.Message
			}},
		{name: "a status cut back", want: check.StatusBack,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				e := ev[index(t, ev, 300, kind(check.Acked))]
				e.Kind, e.Sampled, e.Status = check.StatusSeen, true, chat.Read
				back := e
				back.Status = chat.Delivered
				return append(ev, e, back), e.Message
			}, exact: true},
		{name: "delivered before anybody received it", want: check.StatusFalse,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 300, func(e *check.Event) bool {
					return e.Kind == check.StatusSeen && e.Status == chat.Delivered && e.Conversation == cid(10)
				})
				e := ev[i]
				j := index(t, ev, 0, func(x *check.Event) bool { return x.Kind == check.Received && x.Message == e.Message })
				return slices.Insert(drop(ev, i), j, e), e.Message
			}},
		{name: "read though nobody read it", want: check.StatusFalse,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 301, func(e *check.Event) bool { return e.Kind == check.StatusSeen && e.Status == chat.Delivered })
				e := ev[i]
				e.Status = chat.Read
				return slices.Insert(ev, i+1, e), e.Message
			}},
		{name: "wrong recipient", want: check.WrongRecipient,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 300, func(e *check.Event) bool { return e.Kind == check.Received && e.Conversation == cid(2) })
				e := ev[i]
				e.User, e.Device = uid(15), did(15, 0)
				return slices.Insert(ev, i+1, e), e.Message
			}},
		{
			name: "received 6 s after being removed", want: check.WrongRecipient, also: []check.Verdict{check.Undelivered},
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				at, m := ev[len(ev)-1].At, chat.MessageID(id.AtMillis(ev[len(ev)-1].At/1000+7000))
				e := check.Event{At: at + 6_000_000, User: uid(5), Device: did(5, 0), Conversation: cid(10), Client: mid(1 << 20), Sender: uid(5), Message: m}
				left, sent, acked, received := e, e, e, e
				left.Kind, left.At, left.User = check.Left, at, uid(4)
				sent.Kind, acked.Kind, received.Kind = check.Sent, check.Acked, check.Received
				received.User, received.Device = uid(4), did(4, 0)
				return append(ev, left, sent, acked, received), m
			},
		},
		{
			name: "received what was said before joining", want: check.WrongRecipient, exact: true,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				e := ev[index(t, ev, 300, func(e *check.Event) bool { return e.Kind == check.Received && e.Conversation == cid(2) })]
				e.User, e.Device, e.At = uid(14), did(14, 0), ev[len(ev)-1].At
				joined := e
				joined.Kind = check.Joined
				return append(ev, joined, e), e.Message
			},
		},
		{name: "a rejected message stored", want: check.RejectedStored,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 300, kind(check.Acked))
				m := ev[i].Message
				j := index(t, ev, 0, func(e *check.Event) bool { return e.Kind == check.Sent && e.Client == ev[i].Client })
				ev[i].Kind = check.Failed
				fail := ev[i]
				return slices.Insert(drop(ev, i), j+1, fail), m
			}},
		{name: "a revoked device still served", want: check.AfterRevocation, also: []check.Verdict{},
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 300, kind(check.Received))
				e := ev[i]
				e.Kind, e.At = check.Revoked, e.At-6e6
				return slices.Insert(ev, i, e, check.Event{Kind: check.Restart, At: e.At}), 0
			}},
		{name: "synced lied", want: check.SyncedLied, also: []check.Verdict{check.CursorPassed, check.StatusFalse},
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 5000, kind(check.Received))
				late := ev[i]
				ev = drop(ev, i)
				j := index(t, ev, 0, func(e *check.Event) bool { return e.Kind == check.Synced && e.Device == late.Device })
				return slices.Insert(ev, j+1, late), late.Message
			}},
		{name: "a cursor past what the device has", want: check.CursorPassed, also: []check.Verdict{check.StatusFalse},
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 5000, kind(check.Received))
				late := ev[i]
				ev = drop(ev, i)
				j := index(t, ev, 0, func(e *check.Event) bool { return e.Kind == check.Connected && e.Device == late.Device })
				return slices.Insert(ev, j+1, late), late.Message
			}},
		{name: "pending left", want: check.PendingLeft,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				ev[index(t, ev, 3, kind(check.Pending))].Count = 1
				return ev, 0
			}},
		{name: "an id used twice", want: check.IDReused, also: []check.Verdict{check.IDWentBack, check.Lost, check.Ghost, check.Undelivered, check.Duplicate, check.StatusFalse, check.SyncedLied}, exact: true,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				one := ev[index(t, ev, 5, func(e *check.Event) bool { return e.Kind == check.Acked && e.Conversation == cid(2) })]
				i := index(t, ev, 6, func(e *check.Event) bool { return e.Kind == check.Acked && e.Conversation == cid(2) })
				ev[i].Message = one.Message
				return ev, 0
			}},
		{name: "a clock that went back", want: check.IDWentBack, also: []check.Verdict{check.Disorder, check.Duplicate, check.Lost, check.Ghost, check.StatusFalse, check.CursorPassed},
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 700, kind(check.Acked))
				old := ev[i].Message
				for j := range ev {
					if ev[j].Message == old {
						ev[j].Message -= 1 << 30
					}
				}
				return slices.DeleteFunc(ev, func(e check.Event) bool {
					return e.Kind == check.ReceiptSeen || e.Kind == check.StatusSeen || (e.Kind == check.Row && e.Conversation == ev[i].Conversation)
				}), 0
			}},
		{name: "deleted content shown", want: check.DeletedShown,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 300, kind(check.Acked))
				e := ev[i]
				e.Kind = check.Removed
				return slices.Insert(ev, i+1, e), e.Message
			}},
		{
			name: "an answered edit forgotten", want: check.Diverged, exact: true,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 300, kind(check.Acked))
				e := ev[i]
				e.Kind, e.Digest = check.Edited, 99
				asked := e
				asked.Retry = true
				return slices.Insert(ev, i+1, asked, e), e.Message
			},
		},
		{
			name: "deleted by nobody", want: check.Diverged, exact: true,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 300, kind(check.Row))
				ev[i].Deleted = true
				return ev, ev[i].Message
			},
		},
		{name: "content changed on the way", want: check.Diverged,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				i := index(t, ev, 300, kind(check.Received))
				ev[i].Digest += 2
				return ev, ev[i].Message
			}},
		{name: "a message nobody sent", want: check.Ghost,
			broken: func(t *testing.T, ev []check.Event) ([]check.Event, chat.MessageID) {
				e := ev[index(t, ev, len(slices.Collect(func(y func(int) bool) {
					for i := range ev {
						if ev[i].Kind == check.Received && !y(i) {
							return
						}
					}
				}))-1, kind(check.Received))]
				e.Client, e.Message, e.Digest = mid(1<<20), e.Message+1, 77
				return append(ev, e), e.Message
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, o := range []check.Options{{Exact: true}, {}} {
				if tc.exact && !o.Exact {
					continue
				}
				ev, about := tc.broken(t, newWorld(3000).events)
				r := judge(ev, o)
				if r.Counts[tc.want] == 0 {
					t.Fatalf("exact %v: not found: %s", o.Exact, r)
				}
				for v := range r.Counts {
					if v != tc.want && !slices.Contains(tc.also, v) {
						t.Errorf("exact %v: also %s: %s", o.Exact, v, r)
					}
				}
				named := about == 0 || !o.Exact
				for _, v := range r.Violations {
					named = named || v.Verdict == tc.want && v.Message == about
				}
				if !named {
					t.Errorf("message %s isn't named: %s", about, r)
				}
			}
		})
	}
}

// What edits and deletions may look like.
func TestEditsAndDeletionsThatAreGreen(t *testing.T) {
	ev := newWorld(300).events
	i := index(t, ev, 100, func(e *check.Event) bool { return e.Kind == check.Acked })
	j := index(t, ev, 120, func(e *check.Event) bool { return e.Kind == check.Acked })
	k := index(t, ev, 140, func(e *check.Event) bool { return e.Kind == check.Acked })
	edited, gone, unknown := ev[i].Message, ev[j].Message, ev[k].Message
	var out []check.Event
	for n, e := range ev {
		if e.Kind == check.Row && e.Message == edited {
			e.Digest = 55
		}
		if e.Kind == check.Row && e.Message == gone {
			e.Deleted, e.Digest = true, 0
		}
		out = append(out, e)
		ask := e
		ask.Retry = true
		switch n {
		case i:
			ask.Kind, ask.Digest = check.Edited, 54
			first := ask
			first.Retry = false
			ask.Digest = 55
			second := ask
			second.Retry, second.At = false, first.At+2
			ask.At++
			out = append(out, first, ask, second)
		case j:
			ask.Kind = check.Removed
			answered := ask
			answered.Retry = false
			out = append(out, ask, answered)
		case k: // asked for, never answered, not applied
			ask.Kind, ask.Digest = check.Edited, 77
			out = append(out, ask)
			ask.Kind = check.Removed
			out = append(out, ask)
		}
	}
	if r := judge(out, check.Options{Exact: true}); !r.OK() {
		t.Errorf("%s, %s, %s: %s", edited, gone, unknown, r)
	}
}
