//go:build cqlgrammar

package cqlstore

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// readmeQueries are the examples of the README by their names.
func readmeQueries(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?s)<!-- cqlsh: (\w+) -->\n((?: {4}[^\n]*\n)+)`).FindAllStringSubmatch(string(text), -1) {
		out[m[1]] = m[2]
	}
	for _, name := range []string{"who", "pending", "read", "last"} {
		if out[name] == "" {
			t.Fatalf("the README has no example %q", name)
		}
	}
	return out
}

// TestGrammarReadmeAnswers asks what the README says of a store with messages in it, through cqlsh.
func TestGrammarReadmeAnswers(t *testing.T) {
	queries := readmeQueries(t)
	hosts := servers.CQL(t)
	o := Options{Hosts: hosts, Keyspace: testKeyspace(t, hosts, map[string]int{"dc1": 1}), Log: quiet, Clock: id.NewClock(id.ClockOptions{Slot: 5, Log: quiet})}
	d, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	p, now := d.Ports(), time.Now()
	alice, bob := chat.NewUserID(now), chat.NewUserID(now)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for u, name := range map[chat.UserID]string{alice: "alice", bob: "bob"} {
		ok(p.Users.Create(t.Context(), chat.User{ID: u, Username: name, CreatedAt: now.UnixMilli()}))
	}
	c := chat.Conversation{ID: chat.DirectID(alice, bob), Kind: chat.Direct, CreatedBy: bob, CreatedAt: now.UnixMilli()}
	ok(p.Members.CreateDirect(t.Context(), c, alice, bob))
	var events []chat.EventID
	var messages []chat.MessageID
	for i := range 30 {
		next, err := o.Clock.Next()
		ok(err)
		m := chat.Message{ID: chat.MessageID(next), Conversation: c.ID, Sender: bob, ContentType: chat.Text, Content: fmt.Sprintf("hello %d", i)}
		ev, err := p.Messages.Append(t.Context(), &store.Append{Message: m, Kind: chat.Direct, Recipients: []chat.UserID{alice}})
		ok(err)
		events, messages = append(events, ev), append(messages, m.ID)
	}
	phone := chat.Device{User: alice, ID: chat.NewDeviceID(now), Name: "phone", CreatedAt: now.UnixMilli(), AckedTo: events[9]}
	ok(p.Devices.Put(t.Context(), phone))
	ok(p.Watermarks.Put(t.Context(), []store.Mark{{Conversation: c.ID, User: alice, DeliveredTo: messages[9], ReadTo: messages[4]}}))

	literal := func(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05+0000") }
	mine := strings.NewReplacer(
		"01a0b1c2-0000-7000-8000-00000000a11c", alice.String(), "01a0b1c2-0000-7000-8000-0000000c0117", c.ID.String(),
		"382681586073600000", fmt.Sprint(int64(phone.AckedTo)),
		"IN ('2026-11-21 00:00:00+0000', '2026-11-22 00:00:00+0000')", fmt.Sprintf("IN ('%s', '%s')", literal(InboxBucket(events[0])), literal(InboxBucket(events[29])+dayMillis)),
		"2026-11-22 00:00:00+0000", literal(MessageBucket(chat.Direct, messages[29])))
	host, port, err := net.SplitHostPort(hosts[0])
	ok(err)
	ask := func(name string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("MURRE_CQLSH"), "cqlsh"), "--request-timeout=60", "-k", o.Keyspace, "-e", strings.TrimSpace(mine.Replace(queries[name])), host, port)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	has := func(name, text string, want []string, not []string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %s is not in\n%s", name, w, text)
			}
		}
		for _, w := range not {
			if strings.Contains(text, w) {
				t.Errorf("%s: %s is in\n%s", name, w, text)
			}
		}
	}
	has("who", ask("who"), []string{alice.String()}, []string{bob.String()})
	has("pending", ask("pending"), []string{"phone", fmt.Sprint(int64(events[10])), fmt.Sprint(int64(events[29])), "(20 rows)"}, []string{fmt.Sprint(int64(events[8]))})
	has("read", ask("read"), []string{alice.String(), fmt.Sprint(int64(messages[4])), fmt.Sprint(int64(messages[9]))}, nil)
	last := ask("last")
	has("last", last, []string{literal(MessageBucket(chat.Direct, messages[29]))[:10], "hello 29", "hello 10", "(20 rows)"}, []string{"hello 9 ", "hello 0 "})
	if strings.Index(last, "hello 29") > strings.Index(last, "hello 28") {
		t.Errorf("not newest first:\n%s", last)
	}
}
