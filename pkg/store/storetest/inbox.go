package storetest

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

var inboxTests = []namedTest{
	{"an event without a message", func(e *env) {
		to := users(2)
		ev := chat.Event{ID: 77, Kind: chat.EventConversation, Change: chat.ChangeMemberAdded, Conversation: conversation(), Message: e.next(), Actor: user(), Subject: user()}
		id, err := e.Inbox.Append(e.ctx, store.Fanout{Event: ev, Recipients: to})
		e.ok(err)
		ev.ID = id
		e.settle()
		for _, u := range to {
			e.equal(e.log(u, 5), []chat.Event{ev})
		}
	}},
	{"pages in order, after is exclusive", func(e *env) {
		from, to, c := user(), user(), conversation()
		var want []chat.EventID
		for range 25 {
			want = append(want, e.append(e.message(chat.Direct, c, from, "x", to)))
		}
		e.append(e.message(chat.Direct, c, from, "x", user()))
		e.settle()
		for _, page := range []int{1, 7, 25, 1000} {
			var got []chat.EventID
			for _, ev := range e.log(to, page) {
				got = append(got, ev.ID)
			}
			e.equal(got, want)
		}
		p, err := e.Inbox.Read(e.ctx, to, want[9], 3)
		e.ok(err)
		e.equal([]any{p.Events[0].ID, len(p.Events), p.More}, []any{want[10], 3, true})
		p, err = e.Inbox.Read(e.ctx, to, want[24], 3)
		e.ok(err)
		e.equal([]any{len(p.Events), p.More}, []any{0, false})
	}},
	{"a settled log is under the horizon", func(e *env) {
		before := e.Inbox.Horizon()
		ev := e.append(e.message(chat.Direct, conversation(), user(), "x", user()))
		e.settle()
		h := e.Inbox.Horizon()
		if h < ev || h < before {
			e.Fatalf("horizon %s after event %s (before: %s)", h, ev, before)
		}
		p, err := e.Inbox.Read(e.ctx, user(), 0, 1)
		e.ok(err)
		if p.Horizon < h {
			e.Fatalf("a read's horizon went back: %s after %s", p.Horizon, h)
		}
		if kept := e.Inbox.KeptSince(); kept > ev {
			e.Fatalf("kept since %s, which is after %s", kept, ev)
		}
	}},
	{"nothing appears below a horizon that was read", func(e *env) {
		const writers, each = 6, 50
		to := user()
		var writing atomic.Int32
		writing.Store(writers)
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				defer writing.Add(-1)
				from, c := user(), conversation()
				for range each {
					if _, err := e.Messages.Append(e.ctx, e.message(chat.Direct, c, from, "x", to, from)); err != nil {
						e.Error(err)
						return
					}
				}
			})
		}
		seen := make(map[chat.EventID]bool)
		var horizon chat.EventID
		for writing.Load() > 0 {
			p, err := e.Inbox.Read(e.ctx, to, 0, 1000)
			e.ok(err)
			for _, ev := range p.Events {
				if ev.ID <= horizon && !seen[ev.ID] {
					e.Fatalf("event %s appeared below the horizon %s", ev.ID, horizon)
				}
				seen[ev.ID] = true
			}
			if p.Horizon < horizon {
				e.Fatalf("horizon went back: %s after %s", p.Horizon, horizon)
			}
			horizon = p.Horizon
		}
		wg.Wait()
		e.settle()
		e.equal(len(e.log(to, 100)), writers*each)
	}},
	{"an acked message is in the next read after the horizon", func(e *env) {
		from, to, c := user(), user(), conversation()
		at := chat.EventID(0)
		for range 20 {
			ev := e.append(e.message(chat.Direct, c, from, "x", to))
			e.settle()
			p, err := e.Inbox.Read(e.ctx, to, at, 10)
			e.ok(err)
			e.equal([]any{len(p.Events), p.Events[0].ID, p.Horizon >= ev}, []any{1, ev, true})
			at = ev
		}
	}},
	{"limits out of range are refused", func(e *env) {
		for _, limit := range []int{-1, 0, 1001} {
			if _, err := e.Inbox.Read(e.ctx, user(), 0, limit); err == nil {
				e.Errorf("limit %d was taken", limit)
			}
		}
	}},
}

var deviceTests = []namedTest{
	{"put, get, list, delete", func(e *env) {
		u := user()
		var want []chat.Device
		for i := range 3 {
			d := chat.Device{User: u, ID: device(), Name: "Ann's phone", Kind: "mobile", CreatedAt: 5, SeenAt: 6, Session: [32]byte{1}, DC: "eu", AckedTo: chat.EventID(i * 10)}
			e.ok(e.Devices.Put(e.ctx, d))
			want = append(want, d)
			got, err := e.Devices.Get(e.ctx, u, d.ID)
			e.ok(err)
			e.equal(got, d)
		}
		got, err := e.Devices.List(e.ctx, u)
		e.ok(err)
		e.equal(byDevice(got), byDevice(want))
		e.ok(e.Devices.Delete(e.ctx, u, want[0].ID))
		e.ok(e.Devices.Delete(e.ctx, u, want[0].ID))
		_, err = e.Devices.Get(e.ctx, u, want[0].ID)
		e.is(err, store.ErrNotFound)
		got, err = e.Devices.List(e.ctx, u)
		e.ok(err)
		e.equal(byDevice(got), byDevice(want[1:]))
		got, err = e.Devices.List(e.ctx, user())
		e.ok(err)
		e.equal(len(got), 0)
	}},
	{"the cursor moves forward, and back when asked", func(e *env) {
		d := chat.Device{User: user(), ID: device(), AckedTo: 50}
		e.ok(e.Devices.Put(e.ctx, d))
		cursor := func(want chat.EventID) {
			e.Helper()
			got, err := e.Devices.Get(e.ctx, d.User, d.ID)
			e.ok(err)
			e.equal(got.AckedTo, want)
		}
		at := chat.EventID(e.next())
		e.ok(e.Devices.SetCursor(e.ctx, d.User, d.ID, at, false))
		cursor(at)
		e.ok(e.Devices.SetCursor(e.ctx, d.User, d.ID, at-10, false))
		cursor(at)
		d.Name, d.AckedTo = "renamed", 3
		e.ok(e.Devices.Put(e.ctx, d)) // no first write: the cursor stays
		cursor(at)
		e.ok(e.Devices.SetCursor(e.ctx, d.User, d.ID, at-10, true))
		cursor(at - 10)
		e.ok(e.Devices.SetCursor(e.ctx, d.User, d.ID, at-5, false))
		cursor(at - 5)
	}},
	{"the cursor is the largest, whoever writes last", func(e *env) {
		d := chat.Device{User: user(), ID: device()}
		e.ok(e.Devices.Put(e.ctx, d))
		base := chat.EventID(e.next())
		together(8, func(i int) {
			for j := range 10 {
				if err := e.Devices.SetCursor(e.ctx, d.User, d.ID, base+chat.EventID((i*7+j*3)%50), false); err != nil {
					e.Error(err)
				}
			}
		})
		e.ok(e.Devices.SetCursor(e.ctx, d.User, d.ID, base+49, false))
		e.ok(e.Devices.SetCursor(e.ctx, d.User, d.ID, base+1, false))
		got, err := e.Devices.Get(e.ctx, d.User, d.ID)
		e.ok(err)
		e.equal(got.AckedTo, base+49)
	}},
	{"acks beyond the cursor are replaced whole", func(e *env) {
		d := chat.Device{User: user(), ID: device()}
		e.ok(e.Devices.Put(e.ctx, d))
		many := make([]chat.EventID, 512)
		for i := range many {
			many[i] = chat.EventID(i * 3)
		}
		for _, beyond := range [][]chat.EventID{many, {9, 4}, nil} {
			e.ok(e.Devices.SaveAcks(e.ctx, d.User, d.ID, 42, beyond))
			got, err := e.Devices.Get(e.ctx, d.User, d.ID)
			e.ok(err)
			e.equal([]any{got.AckedBeyondBase, len(got.AckedBeyond)}, []any{chat.EventID(42), len(beyond)})
			for i := range beyond {
				e.equal(got.AckedBeyond[i], beyond[i])
			}
		}
	}},
	{"a device that comes back starts anew", func(e *env) {
		d := chat.Device{User: user(), ID: device(), AckedTo: 5}
		c := conversation()
		e.ok(e.Devices.Put(e.ctx, d))
		e.ok(e.Devices.SetCursor(e.ctx, d.User, d.ID, 900, false))
		e.ok(e.Devices.SaveAcks(e.ctx, d.User, d.ID, 900, []chat.EventID{901}))
		e.ok(e.Channels.SetChannelCursor(e.ctx, d.User, d.ID, c, 33))
		e.ok(e.Devices.Delete(e.ctx, d.User, d.ID))
		e.ok(e.Devices.Put(e.ctx, d))
		got, err := e.Devices.Get(e.ctx, d.User, d.ID)
		e.ok(err)
		e.equal(got, d)
		m, err := e.Channels.ChannelCursor(e.ctx, d.User, d.ID, c)
		e.ok(err)
		e.equal(m, chat.EventID(0))
	}},
	{"channel cursors move forward", func(e *env) {
		u, d, c := user(), device(), conversation()
		for _, step := range [][2]chat.EventID{{0, 0}, {10, 10}, {5, 10}, {11, 11}, {11, 11}} {
			if step[0] > 0 {
				e.ok(e.Channels.SetChannelCursor(e.ctx, u, d, c, step[0]))
			}
			got, err := e.Channels.ChannelCursor(e.ctx, u, d, c)
			e.ok(err)
			e.equal(got, step[1])
		}
	}},
}

func byDevice(in []chat.Device) map[chat.DeviceID]chat.Device {
	out := make(map[chat.DeviceID]chat.Device)
	for _, d := range in {
		out[d.ID] = d
	}
	return out
}

var watermarkTests = []namedTest{
	{"zero when there are none", func(e *env) {
		u := user()
		r, err := e.Watermarks.Get(e.ctx, conversation(), u)
		e.ok(err)
		e.equal(r, chat.Receipt{User: u})
		list, err := e.Watermarks.List(e.ctx, conversation(), chat.UserID{}, 10)
		e.ok(err)
		e.equal(len(list), 0)
	}},
	{"each moves forward alone", func(e *env) {
		c, u := conversation(), user()
		put := func(delivered, read chat.MessageID, want chat.Receipt) {
			e.Helper()
			want.User = u
			e.ok(e.Watermarks.Put(e.ctx, []store.Mark{{Conversation: c, User: u, DeliveredTo: delivered, ReadTo: read}}))
			got, err := e.Watermarks.Get(e.ctx, c, u)
			e.ok(err)
			e.equal(got, want)
		}
		a, b, d := e.next(), e.next(), e.next()
		put(b, 0, chat.Receipt{DeliveredTo: b})
		put(0, a, chat.Receipt{DeliveredTo: b, ReadTo: a})
		put(a, 0, chat.Receipt{DeliveredTo: b, ReadTo: a})
		put(d, b, chat.Receipt{DeliveredTo: d, ReadTo: b})
		put(a, a, chat.Receipt{DeliveredTo: d, ReadTo: b})
	}},
	{"the largest wins whatever the order", func(e *env) {
		c, us := conversation(), users(4)
		base := e.next()
		top := base + 1000
		together(8, func(i int) {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			for range 20 {
				var marks []store.Mark
				for range 30 {
					marks = append(marks, store.Mark{Conversation: c, User: us[rng.IntN(4)], DeliveredTo: base + chat.MessageID(rng.IntN(1000)), ReadTo: base + chat.MessageID(rng.IntN(1000))})
				}
				if i == 3 {
					for _, u := range us {
						marks = append(marks, store.Mark{Conversation: c, User: u, DeliveredTo: top, ReadTo: top - 1})
					}
				}
				if err := e.Watermarks.Put(e.ctx, marks); err != nil {
					e.Error(err)
				}
			}
		})
		list, err := e.Watermarks.List(e.ctx, c, chat.UserID{}, 10)
		e.ok(err)
		e.equal(len(list), 4)
		for _, r := range list {
			e.equal([]any{r.DeliveredTo, r.ReadTo}, []any{top, top - 1})
		}
	}},
	{"lists by user id in pages", func(e *env) {
		c := conversation()
		for range 11 {
			e.ok(e.Watermarks.Put(e.ctx, []store.Mark{{Conversation: c, User: user(), DeliveredTo: 1}}))
		}
		n, at := 0, chat.UserID{}
		for {
			page, err := e.Watermarks.List(e.ctx, c, at, 4)
			e.ok(err)
			if len(page) == 0 {
				break
			}
			for _, r := range page {
				if r.User.Compare(at) <= 0 {
					e.Fatal("not by user id")
				}
				at = r.User
				n++
			}
		}
		e.equal(n, 11)
	}},
}
