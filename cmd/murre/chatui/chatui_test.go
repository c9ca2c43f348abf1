package chatui

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
	"github.com/murre-chat/murre/pkg/protocol"
)

func TestKeys(t *testing.T) {
	input := "aé🙂\x1b[A\x1b[5~\x1bOH\x7f\x03\x1bx\x1b[200~\r"
	want := []key{{keyRune, 'a'}, {keyRune, 'é'}, {keyRune, '🙂'}, {kind: keyUp}, {kind: keyPageUp}, {kind: keyHome}, {kind: keyBackspace}, {kind: keyQuit}, {kind: keyOther}, {kind: keyOther}, {kind: keyEnter}}
	// In one piece, and split at every byte.
	for split := range len(input) + 1 {
		keys, rest := parseKeys([]byte(input[:split]))
		more, rest := parseKeys(append(slices.Clone(rest), input[split:]...))
		if got := append(keys, more...); !slices.Equal(got, want) || len(rest) != 0 {
			t.Fatalf("split at %d: %v, rest %q; want %v", split, got, rest, want)
		}
	}
}

func TestEditor(t *testing.T) {
	var e editor
	typed := func(s string) (line string, done bool) {
		keys, _ := parseKeys([]byte(s))
		for _, k := range keys {
			if l, d := e.press(k); d {
				line, done = l, true
			}
		}
		return line, done
	}
	if l, ok := typed("helo\x1b[Dl\r"); !ok || l != "hello" {
		t.Errorf("%q, %v", l, ok)
	}
	if l, ok := typed("one two\x17three\r"); !ok || l != "one three" {
		t.Errorf("%q, %v", l, ok)
	}
	if l, ok := typed("draft\x1b[A\x1b[A\x1b[B\x1b[B!\r"); !ok || l != "draft!" {
		t.Errorf("%q, %v", l, ok)
	}
	if l, ok := typed("\x1b[A\x1b[A\r"); !ok || l != "one three" {
		t.Errorf("recalled %q, %v", l, ok)
	}
	typed(strings.Repeat("x", 50) + "y")
	if text, cursor := e.visible(10); cursor > 10 || !strings.HasSuffix(text, "y") {
		t.Errorf("%q, %d", text, cursor)
	}
}

func TestWrap(t *testing.T) {
	for _, tc := range []struct {
		in   string
		cols int
	}{{"the quick brown fox jumps over the lazy dog", 14}, {strings.Repeat("x", 100), 20}, {"日本語のテキストはとても広い", 12}, {"a\nb\n\nc", 20}, {"", 20}} {
		lines := wrap(tc.in, tc.cols, 2)
		var kept strings.Builder
		for _, l := range lines {
			if width(l) > tc.cols {
				t.Errorf("%q is %d wide", l, width(l))
			}
			kept.WriteString(strings.ReplaceAll(strings.TrimSpace(l), " ", ""))
		}
		if want := strings.NewReplacer(" ", "", "\n", "").Replace(tc.in); kept.String() != want {
			t.Errorf("wrap lost text: %q of %q", kept.String(), want)
		}
	}
}

func TestCleanKeepsTheTerminalSafe(t *testing.T) {
	got := clean("a\x1b[2Jb\x07\u202ec\u009bd\te\nf")
	if strings.ContainsAny(got, "\x1b\x07\u202e\u009b\t") || !strings.Contains(got, "\n") {
		t.Errorf("%q", got)
	}
}

func TestRoomOrdersAndCountsReceipts(t *testing.T) {
	now := time.Now()
	me, bob, eve := chat.NewUserID(now), chat.NewUserID(now), chat.NewUserID(now)
	r := newRoom(me, client.Conversation{ID: chat.NewConversationID(now), Participants: []client.Participant{{User: me, Username: "me"}, {User: bob, Username: "bob"}, {User: eve, Username: "eve"}}})
	key := chat.NewClientMessageID(now)
	mine := r.post(key, "mine", 0, now)
	r.add(protocol.Message{ID: 30, Sender: bob, Content: "late"})
	if e, fresh := r.add(protocol.Message{ID: 20, Sender: me, ClientMessageID: key, Content: "mine"}); fresh || e != mine {
		t.Error("an own message came back as another")
	}
	if _, fresh := r.add(protocol.Message{ID: 10, Sender: bob, Content: "early"}); !fresh {
		t.Error("a new message is not new")
	}
	if _, fresh := r.add(protocol.Message{ID: 10, Sender: bob, Content: "early"}); fresh {
		t.Error("a message is new twice")
	}
	var ids []chat.MessageID
	for _, e := range r.entries {
		ids = append(ids, e.msg.ID)
	}
	if !slices.Equal(ids, []chat.MessageID{10, 20, 30}) {
		t.Errorf("order %v", ids)
	}
	steps := []struct {
		s    protocol.StatusPayload
		want chat.Status
	}{
		{protocol.StatusPayload{Status: "delivered", User: bob, Message: 20}, chat.Sent},
		{protocol.StatusPayload{Status: "delivered", User: eve, Message: 5, Messages: []chat.MessageID{20}}, chat.Delivered},
		{protocol.StatusPayload{Status: "read", User: bob, Message: 30}, chat.Delivered},
		{protocol.StatusPayload{Status: "read", User: eve, Message: 10}, chat.Delivered},
		{protocol.StatusPayload{Status: "read", User: eve, Message: 20}, chat.Read},
		{protocol.StatusPayload{Status: "read", User: eve, Message: 10}, chat.Read},
	}
	for _, step := range steps {
		r.status(&step.s)
		if got := r.statusOf(mine); got != step.want {
			t.Errorf("after %+v: %v, want %v", step.s, got, step.want)
		}
	}
}

func TestScreenFitsTheTerminal(t *testing.T) {
	now := time.Now()
	me, bob := chat.NewUserID(now), chat.NewUserID(now)
	var out strings.Builder
	s := &Session{o: Options{Now: time.Now}, editor: &editor{}}
	s.room = newRoom(me, client.Conversation{Participants: []client.Participant{{User: me, Username: "me"}, {User: bob, Username: "bob"}}})
	sc := &screen{out: &out, size: func() (int, int) { return 40, 10 }}
	for i := range 30 {
		s.room.add(protocol.Message{ID: chat.MessageID(i + 1), Sender: bob, Content: strings.Repeat("long ", i)})
	}
	s.room.post(chat.NewClientMessageID(now), "mine", 0, now)
	sc.refresh(s)
	drawn := out.String()
	if n := strings.Count(drawn, "\r\n"); n != 9 {
		t.Errorf("%d lines drawn on a terminal of 10", n+1)
	}
	if !strings.Contains(drawn, "mine") || !strings.Contains(drawn, "bob") {
		t.Error("the newest messages don't show")
	}
	s.scroll = 1000
	sc.refresh(s)
	if s.scroll >= 1000 {
		t.Error("scrolled past the top")
	}
}
