package service

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

func TestHistoryPages(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(2)
	d := r.create(p[0], chat.Direct, "", p[1])
	var m []chat.Message
	for _, c := range "abcdefghij" {
		m = append(m, r.send(p[0], d, string(c)))
	}
	last := m[9].ID
	for name, c := range map[string]struct {
		req  HistoryRequest
		want string
		more bool
	}{
		"newest":           {HistoryRequest{Limit: 3}, "hij", true},
		"all":              {HistoryRequest{Limit: 10}, "abcdefghij", false},
		"one less":         {HistoryRequest{Limit: 9}, "bcdefghij", true},
		"default":          {HistoryRequest{}, "abcdefghij", false},
		"before":           {HistoryRequest{Before: m[5].ID, Limit: 3}, "cde", true},
		"before exact":     {HistoryRequest{Before: m[3].ID, Limit: 3}, "abc", false},
		"before first":     {HistoryRequest{Before: m[0].ID}, "", false},
		"since":            {HistoryRequest{Since: m[5].ID, Limit: 3}, "ghi", true},
		"since exact":      {HistoryRequest{Since: m[6].ID, Limit: 3}, "hij", false},
		"since last":       {HistoryRequest{Since: last}, "", false},
		"since the future": {HistoryRequest{Since: last + 1<<40}, "", false},
		"since the start":  {HistoryRequest{SinceTime: 1, Limit: 4}, "abcd", true},
		"since a moment":   {HistoryRequest{SinceTime: m[0].ID.Time().UnixMilli() - 1, Limit: 2}, "ab", true},
		"since a later":    {HistoryRequest{SinceTime: last.Time().UnixMilli()}, "", false},
		"around":           {HistoryRequest{Around: m[5].ID, Limit: 4}, "defgh", true},
		"around odd":       {HistoryRequest{Around: m[5].ID, Limit: 5}, "defgh", true},
		"around one":       {HistoryRequest{Around: m[5].ID, Limit: 1}, "f", true},
		"around all":       {HistoryRequest{Around: m[5].ID, Limit: 20}, "abcdefghij", false},
		"around first":     {HistoryRequest{Around: m[0].ID, Limit: 4}, "abc", true},
		"around last":      {HistoryRequest{Around: last, Limit: 18}, "abcdefghij", false},
	} {
		t.Run(name, func(t *testing.T) {
			c.req.Conversation = d
			page, err := r.History(ctx, p[1], c.req)
			r.code(err, 0)
			if texts(page.Messages) != c.want || page.HasMore != c.more {
				t.Fatalf("%q %v, want %q %v", texts(page.Messages), page.HasMore, c.want, c.more)
			}
		})
	}
	for field, req := range map[string]HistoryRequest{
		"limit":          {Conversation: d, Limit: 101},
		"since":          {Conversation: d, Since: 1, Before: 2},
		"around":         {Conversation: d, Around: 1, Before: 2},
		"before":         {Conversation: d, Before: -1},
		"conversationId": {},
	} {
		_, err := r.History(ctx, p[0], req)
		r.code(err, chat.CodeValidation, field)
	}
	_, err := r.History(ctx, p[0], HistoryRequest{Conversation: d, Around: last + 1})
	r.code(err, chat.CodeNotFound)
}

func TestHistoryCursorStaysBehindTheHorizon(t *testing.T) {
	r := newRig(t)
	p := r.people(2)
	d := r.create(p[0], chat.Direct, "", p[1])
	first := r.send(p[0], d, "a")
	last := r.send(p[0], d, "b")
	cursor := func(q HistoryRequest) chat.MessageID {
		q.Conversation = d
		page, err := r.History(t.Context(), p[1], q)
		r.code(err, 0)
		return page.Cursor
	}
	horizon := func() chat.MessageID {
		return chat.MessageID(id.At(time.Now().Add(*r.offset - AckDeadline - ClockSlack)))
	}
	for _, q := range []HistoryRequest{{}, {SinceTime: 1}, {Since: first.ID}, {Since: last.ID}} {
		if got := cursor(q); got > horizon() || got >= first.ID {
			t.Fatalf("%+v: cursor %s beyond the horizon %s", q, got, horizon())
		}
	}
	*r.offset = AckDeadline + ClockSlack + time.Second
	for _, q := range []HistoryRequest{{}, {SinceTime: 1}, {Since: first.ID}, {Since: last.ID}} {
		if got := cursor(q); got != last.ID {
			t.Fatalf("%+v: cursor %s, want the last message %s", q, got, last.ID)
		}
	}
}

func TestEditAndDelete(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(4)
	g := r.create(p[0], chat.Group, "g", p[1], p[2])
	msg := r.send(p[1], g, "first")
	_, err := r.AddMembers(ctx, p[0], g, ids(p[3])) // after the message: must hear nothing of it
	r.code(err, 0)
	news := len(r.events(p[3].User))

	for _, c := range []Caller{p[0], p[2]} {
		_, _, err = r.Edit(ctx, c, g, msg.ID, "x")
		r.code(err, chat.CodeForbidden)
	}
	_, _, err = r.Edit(ctx, p[3], g, msg.ID, "x")
	r.code(err, chat.CodeNotFound)
	_, _, err = r.Edit(ctx, p[1], g, msg.ID, "")
	r.code(err, chat.CodeValidation, "content")
	_, _, err = r.Edit(ctx, p[1], g, msg.ID, strings.Repeat("x", chat.MaxContent+1))
	r.code(err, chat.CodeValidation, "content")
	_, _, err = r.Edit(ctx, p[1], g, 0, "x")
	r.code(err, chat.CodeValidation, "messageId")
	_, _, err = r.Edit(ctx, p[1], g, msg.ID+1, "x")
	r.code(err, chat.CodeNotFound)

	r.pushes.take(0)
	row, ev, err := r.Edit(ctx, p[1], g, msg.ID, "second")
	r.code(err, 0)
	if row.Content != "second" || row.EditedAt == 0 || row.Version <= msg.ID || row.Status != chat.Sent {
		t.Fatalf("%+v", row)
	}
	pushes := r.pushes.take(chat.PushEdit)
	if len(pushes) != 1 || pushes[0].Event.ID != ev || !pushes[0].ExceptDevice.IsZero() {
		t.Fatalf("%+v", pushes)
	}
	if to := pushes[0].Recipients; len(to) != 3 || slices.Contains(to, p[3].User) || !slices.Contains(to, p[1].User) {
		t.Fatalf("recipients %v", to)
	}
	if e := r.lastEvent(p[2].User); e.Kind != chat.EventEdit || e.ID != ev || e.Message != msg.ID {
		t.Fatalf("%+v", e)
	}

	_, _, err = r.Delete(ctx, p[2], g, msg.ID)
	r.code(err, chat.CodeForbidden)
	row, _, err = r.Delete(ctx, p[0], g, msg.ID) // an admin may
	r.code(err, 0)
	if !row.Deleted || row.Content != "" {
		t.Fatalf("%+v", row)
	}
	_, _, err = r.Edit(ctx, p[1], g, msg.ID, "third")
	r.code(err, chat.CodeNotFound)
	_, _, err = r.React(ctx, p[1], g, msg.ID, "👍")
	r.code(err, chat.CodeNotFound)
	_, _, err = r.Delete(ctx, p[1], g, msg.ID)
	r.code(err, 0)
	page, err := r.History(ctx, p[2], HistoryRequest{Conversation: g})
	r.code(err, 0)
	if len(page.Messages) != 1 || !page.Messages[0].Deleted || page.Messages[0].Content != "" {
		t.Fatalf("%+v", page.Messages)
	}
	if len(r.events(p[3].User)) != news {
		t.Fatal("a newcomer heard of an old message")
	}

	d := r.create(p[0], chat.Direct, "", p[1])
	msg = r.send(p[1], d, "x")
	_, _, err = r.Delete(ctx, p[0], d, msg.ID)
	r.code(err, chat.CodeForbidden)
}

func TestConcurrentEditsAndDeleteConverge(t *testing.T) {
	r := newRig(t)
	p := r.people(2)
	d := r.create(p[0], chat.Direct, "", p[1])
	for range 20 {
		msg := r.send(p[0], d, "0")
		done := make(chan error)
		for i := range 4 {
			go func() {
				var err error
				if i == 0 {
					_, _, err = r.Delete(t.Context(), p[0], d, msg.ID)
				} else if _, _, err = r.Edit(t.Context(), p[0], d, msg.ID, strings.Repeat("x", i)); chat.CodeOf(err) == chat.CodeNotFound {
					err = nil
				}
				done <- err
			}()
		}
		for range 4 {
			r.code(<-done, 0)
		}
		m, err := r.Message(t.Context(), p[1], d, msg.ID)
		r.code(err, 0)
		if !m.Deleted || m.Content != "" {
			t.Fatalf("%+v", m)
		}
	}
}

func TestReactions(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(2)
	d := r.create(p[0], chat.Direct, "", p[1])
	msg := r.send(p[0], d, "x")
	for _, bad := range []string{"a", "1", "👍👍", "👍 ", "\u200d", "👍\u200d", strings.Repeat("👨\u200d", 5) + "👨", "\xff", "🇩"} {
		_, _, err := r.React(ctx, p[1], d, msg.ID, bad)
		r.code(err, chat.CodeValidation, "emoji")
	}
	for _, good := range []string{"👍", "❤", "❤️", "👍🏽", "🇩🇪", "1️⃣", "#⃣", "👨‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏳️‍🌈", "😀", "🫠", "☺️", "🤷🏽‍♀️"} {
		if _, _, err := r.React(ctx, p[1], d, msg.ID, good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
		m, err := r.Message(ctx, p[0], d, msg.ID)
		r.code(err, 0)
		if len(m.Reactions) != 1 || m.Reactions[0].Emoji != good || m.Reactions[0].User != p[1].User {
			t.Fatalf("%q: %+v", good, m.Reactions)
		}
	}
	if e := r.lastEvent(p[0].User); e.Kind != chat.EventReaction || e.Actor != p[1].User {
		t.Fatalf("%+v", e)
	}
	_, _, err := r.React(ctx, p[1], d, msg.ID, "")
	r.code(err, 0)
	m, err := r.Message(ctx, p[0], d, msg.ID)
	r.code(err, 0)
	if len(m.Reactions) != 0 {
		t.Fatalf("%+v", m.Reactions)
	}
}

func TestStatusForTheSender(t *testing.T) {
	r := newRig(t)
	p := r.people(3)
	g := r.create(p[0], chat.Group, "g", p[1], p[2])
	msg := r.send(p[0], g, "x")
	status := func(c Caller) chat.Status {
		m, err := r.Message(t.Context(), c, g, msg.ID)
		r.code(err, 0)
		return m.Status
	}
	mark := func(c Caller, delivered, read chat.MessageID) {
		err := r.store.Watermarks.Put(t.Context(), []store.Mark{{Conversation: g, User: c.User, DeliveredTo: delivered, ReadTo: read}})
		r.code(err, 0)
	}
	if status(p[0]) != chat.Sent || status(p[1]) != 0 {
		t.Fatal("sent, and nothing to others")
	}
	mark(p[1], msg.ID, msg.ID)
	if status(p[0]) != chat.Sent {
		t.Fatal("the lowest counts")
	}
	mark(p[2], msg.ID, 0)
	if status(p[0]) != chat.Delivered {
		t.Fatal("delivered to all")
	}
	r.code(r.RemoveMember(t.Context(), p[0], g, p[2].User), 0)
	if status(p[0]) != chat.Read {
		t.Fatal("who left doesn't count")
	}
}

func TestConversationList(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(13)
	var convs []chat.ConversationID
	for _, o := range p[1:] {
		convs = append(convs, r.create(p[0], chat.Direct, "", o))
	}
	for i, c := range convs[:8] { // 8 with messages, in this order; 4 without, made before
		r.send(p[1+i], c, "hello")
	}
	r.flushHeads(ctx) // some stored, some pending
	r.send(p[1], convs[0], "again")
	want := []chat.ConversationID{convs[0]}
	for i := 7; i > 0; i-- {
		want = append(want, convs[i])
	}
	for i := 11; i >= 8; i-- {
		want = append(want, convs[i])
	}
	walk := func(limit int) []chat.ConversationID {
		var got []chat.ConversationID
		cursor := ""
		for {
			page, err := r.Conversations(ctx, p[0], cursor, limit)
			r.code(err, 0)
			for i := range page.Items {
				got = append(got, page.Items[i].ID)
			}
			if cursor = page.Next; cursor == "" {
				return got
			}
			if len(page.Items) != limit {
				t.Fatalf("a page of %d before the last", len(page.Items))
			}
		}
	}
	for _, limit := range []int{1, 5, 6, 12, 50} {
		if got := walk(limit); !slices.Equal(got, want) {
			t.Fatalf("limit %d:\n got %v\nwant %v", limit, got, want)
		}
	}
	page, err := r.Conversations(ctx, p[0], "", 1)
	r.code(err, 0)
	v := page.Items[0]
	if v.Unread != 2 || v.LastMessage == nil || v.LastMessage.Content != "again" || len(v.Participants) != 2 || v.UpdatedAt != v.LastMessage.ID.Time().UnixMilli() {
		t.Fatalf("%+v", v)
	}
	r.send(p[0], convs[0], "mine")
	v, err = r.Conversation(ctx, p[0], convs[0])
	r.code(err, 0)
	if v.Unread != 2 || v.LastMessage.Status != chat.Sent {
		t.Fatalf("own messages don't count as unread: %+v", v)
	}
	r.code(r.store.Watermarks.Put(ctx, []store.Mark{{Conversation: convs[0], User: p[0].User, ReadTo: v.LastMessage.ID}}), 0)
	v, err = r.Conversation(ctx, p[0], convs[0])
	r.code(err, 0)
	if v.Unread != 0 {
		t.Fatal(v.Unread)
	}
	for range 120 {
		r.send(p[1], convs[0], "x")
	}
	v, err = r.Conversation(ctx, p[0], convs[0])
	r.code(err, 0)
	if v.Unread != chat.MaxUnreadCount {
		t.Fatal(v.Unread)
	}
	for _, bad := range []string{"x", strings.Repeat("0", 49), "ZZZZZZZZZZZZZ" + convs[0].String()} {
		_, err := r.Conversations(ctx, p[0], bad, 0)
		r.code(err, chat.CodeValidation, "cursor")
	}
	_, err = r.Conversations(ctx, p[0], "", 101)
	r.code(err, chat.CodeValidation, "limit")
	r.code(r.SetPreferences(ctx, p[0], convs[0], ptr(true), nil), 0)
	r.code(r.SetPreferences(ctx, p[0], convs[0], nil, ptr(true)), 0)
	v, err = r.Conversation(ctx, p[0], convs[0])
	r.code(err, 0)
	if !v.Muted || !v.Archived {
		t.Fatalf("%+v", v)
	}
}

// TestLostHeads: heads are written behind; after a crash lists repair what is missing or old.
func TestLostHeads(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(3)
	a, b := r.create(p[0], chat.Direct, "", p[1]), r.create(p[0], chat.Direct, "", p[2])
	r.send(p[1], a, "1")
	r.send(p[2], b, "2")
	*r.Service.heads = *newHeads() // the crash
	first := func() chat.ConversationID {
		page, err := r.Conversations(ctx, p[0], "", 0)
		r.code(err, 0)
		if len(page.Items) != 2 {
			t.Fatal(len(page.Items))
		}
		return page.Items[0].ID
	}
	if first() != b {
		t.Fatal("missing heads are not found in history")
	}
	r.flushHeads(ctx)
	r.send(p[1], a, "3")
	*r.Service.heads = *newHeads()
	first() // shows the old order and finds that a's head is behind
	if first() != a {
		t.Fatal("an old head is not repaired")
	}
	r.flushHeads(ctx)
	heads, err := r.store.Listing.Heads(ctx, []chat.ConversationID{a, b})
	r.code(err, 0)
	if len(heads) != 2 || heads[a].Last <= heads[b].Last {
		t.Fatalf("%+v", heads)
	}
}

func TestListShowsNoOldMessageToWhoCameBack(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(2)
	g := r.create(p[0], chat.Group, "g", p[1])
	r.send(p[0], g, "old")
	r.code(r.RemoveMember(ctx, p[0], g, p[1].User), 0)
	page, err := r.Conversations(ctx, p[1], "", 0)
	r.code(err, 0)
	if len(page.Items) != 0 {
		t.Fatal("a left conversation is listed")
	}
	_, err = r.AddMembers(ctx, p[0], g, ids(p[1]))
	r.code(err, 0)
	page, err = r.Conversations(ctx, p[1], "", 0)
	r.code(err, 0)
	if len(page.Items) != 1 || page.Items[0].LastMessage != nil || page.Items[0].Unread != 0 {
		t.Fatalf("%+v", page.Items)
	}
}

func TestMediaAccess(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	p := r.people(4)
	g := r.create(p[0], chat.Group, "g", p[1])
	for field, req := range map[string]MediaRequest{
		"conversationId": {ContentType: "image/png", Size: 1},
		"contentType":    {Conversation: g, ContentType: "png", Size: 1},
		"size":           {Conversation: g, ContentType: "image/png"},
		"name":           {Conversation: g, ContentType: "image/png", Size: 1, Name: "../x"},
	} {
		_, err := r.NewMedia(ctx, p[0], req)
		r.code(err, chat.CodeValidation, field)
	}
	upload := func() chat.Media {
		m, err := r.NewMedia(ctx, p[0], MediaRequest{Conversation: g, ContentType: "image/png", Size: 3, Name: "x.png"})
		r.code(err, 0)
		return m
	}
	share := func(m chat.Media) chat.Message {
		res, err := r.Send(ctx, p[0], SendRequest{Conversation: g, ClientMessage: chat.NewClientMessageID(time.Now()), ContentType: chat.Image, Media: m.ID})
		r.code(err, 0)
		return res.Message
	}
	m := upload()
	_, err := r.MediaFor(ctx, p[1], m.ID)
	r.code(err, chat.CodeNotFound)
	_, err = r.FinishMedia(ctx, p[1], m)
	r.code(err, chat.CodeNotFound)
	m.Width = 7
	m, err = r.FinishMedia(ctx, p[0], m)
	r.code(err, 0)
	if !m.Ready || m.Width != 7 {
		t.Fatalf("%+v", m)
	}
	later := upload() // before p[2] joins, sent after
	later, err = r.FinishMedia(ctx, p[0], later)
	r.code(err, 0)
	msg := share(m)
	for time.Now().UnixMilli() <= later.CreatedAt { // joins and uploads are told apart by the millisecond
	}
	_, err = r.AddMembers(ctx, p[0], g, ids(p[2]))
	r.code(err, 0)
	share(later)
	for _, c := range []struct {
		who  Caller
		what chat.Media
		code chat.Code
	}{
		{p[0], m, 0}, {p[1], m, 0}, {p[2], m, chat.CodeNotFound}, {p[3], m, chat.CodeForbidden},
		{p[1], later, 0}, {p[2], later, 0}, {p[3], later, chat.CodeForbidden},
	} {
		_, err := r.MediaFor(ctx, c.who, c.what.ID)
		r.code(err, c.code)
	}
	got, err := r.Message(ctx, p[1], g, msg.ID)
	r.code(err, 0)
	if got.Media == nil || got.Media.ID != m.ID {
		t.Fatalf("%+v", got)
	}
	_, _, err = r.Delete(ctx, p[0], g, msg.ID)
	r.code(err, 0)
	for _, c := range []Caller{p[0], p[1]} {
		_, err = r.MediaFor(ctx, c, m.ID)
		r.code(err, chat.CodeNotFound)
	}
	r.code(r.RemoveMember(ctx, p[0], g, p[1].User), 0)
	_, err = r.MediaFor(ctx, p[1], later.ID)
	r.code(err, chat.CodeForbidden)
	avatar, err := r.NewMedia(ctx, p[0], MediaRequest{Avatar: true, ContentType: "image/png", Size: 3, Name: "x.png"})
	r.code(err, 0)
	_, err = r.FinishMedia(ctx, p[0], avatar)
	r.code(err, 0)
	_, err = r.MediaFor(ctx, p[3], avatar.ID)
	r.code(err, 0)
}
