package cqlstore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
	"github.com/murre-chat/murre/pkg/transfer"
)

// largeMessages is how many messages TestCopyOfMany copies; MURRE_COPY_MESSAGES=1000000 is what is measured.
func largeMessages(t testing.TB) int {
	text := os.Getenv("MURRE_COPY_MESSAGES")
	if text == "" {
		return 1500
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// fillMany writes n messages with their claims and events, over the last twenty days: nine of ten direct, the others in groups of
// six. It returns how many rows that is.
func fillMany(t testing.TB, dir string, n int) int {
	const spread = 20 * 24 * time.Hour
	s := openSource(t, dir, spread)
	p := s.db.Ports()
	ctx := t.Context()
	users := make([]chat.UserID, max(20, min(1000, n/500)))
	for i := range users {
		users[i] = chat.NewUserID(s.now())
		require.NoError(t, p.Users.Create(ctx, chat.User{ID: users[i], Username: fmt.Sprintf("user%d", i), DisplayName: fmt.Sprintf("User %d", i), CreatedAt: s.now().UnixMilli()}))
		require.NoError(t, p.Devices.Put(ctx, chat.Device{User: users[i], ID: chat.NewDeviceID(s.now()), Name: "phone", CreatedAt: s.now().UnixMilli()}))
	}
	type conversation struct {
		chat.Conversation
		members []chat.UserID
	}
	var directs, groups []conversation
	for i := range users {
		a, b := users[i], users[(i*7+1)%len(users)]
		if a != b {
			c := chat.Conversation{ID: chat.DirectID(a, b), Kind: chat.Direct, CreatedBy: a, CreatedAt: s.now().UnixMilli()}
			require.NoError(t, p.Members.CreateDirect(ctx, c, a, b))
			directs = append(directs, conversation{c, []chat.UserID{a, b}})
		}
		if i%10 == 0 {
			c := chat.Conversation{ID: chat.NewConversationID(s.now()), Kind: chat.Group, Name: "Group", CreatedBy: a, CreatedAt: s.now().UnixMilli()}
			g := conversation{c, nil}
			ch := store.MemberChange{Conversation: c.ID, Create: &c}
			for k := range 6 {
				u := users[(i+k)%len(users)]
				g.members = append(g.members, u)
				ch.Set = append(ch.Set, chat.Member{User: u, Role: chat.RoleAdmin, JoinedAt: c.CreatedAt, JoinedID: 1, LeftID: chat.NotLeft})
				ch.Listed = append(ch.Listed, u)
			}
			_, _, err := p.Members.Change(ctx, ch)
			require.NoError(t, err)
			groups = append(groups, g)
		}
	}
	text := strings.Repeat("lorem ipsum ", 8)
	const writers = 64
	var wg sync.WaitGroup
	var mu sync.Mutex
	rows := 0
	for w := range writers {
		wg.Go(func() {
			mine := 0
			for i := w; i < n; i += writers {
				if w == 0 {
					s.back.Store(int64(float64(spread) * float64(n-i) / float64(n)))
				}
				c := directs[i%len(directs)]
				if i%10 == 9 {
					c = groups[i/10%len(groups)]
				}
				next, err := s.db.Clock().Next()
				if err != nil {
					t.Error(err)
					return
				}
				from, key := c.members[i/7%len(c.members)], chat.NewClientMessageID(s.now())
				a := store.Append{Kind: c.Kind, Message: chat.Message{ID: chat.MessageID(next), Conversation: c.ID, Sender: from, ClientMessageID: key, ContentType: chat.Text, Content: text[:20+i%70]}}
				a.Claim = store.Claim{User: from, ClientMessage: key, Message: a.Message.ID, Conversation: c.ID, Digest: [16]byte{1}}
				for _, u := range c.members {
					if u != from {
						a.Recipients = append(a.Recipients, u)
					}
				}
				if _, err := p.Messages.Append(ctx, &a); err != nil {
					t.Error(err)
					return
				}
				mine += 2 + len(a.Recipients)
			}
			mu.Lock()
			defer mu.Unlock()
			rows += mine
		})
	}
	wg.Wait()
	s.back.Store(0)
	s.close(t)
	return rows
}

// TestCopyOfMany copies many messages, is killed halfway, goes on, and reads everything back once more.
func TestCopyOfMany(t *testing.T) {
	n := largeMessages(t)
	dir := filepath.Join(t.TempDir(), "store")
	began := time.Now()
	rows := fillMany(t, dir, n)
	t.Logf("%d messages, %d rows with their claims and events, made in %s", n, rows, time.Since(began).Round(time.Millisecond))
	before := hashes(t, dir)
	hosts, workers := servers.CQL(t), transfer.DefaultWorkers
	if n < 100_000 {
		workers = 1 // slow enough to be killed halfway
	}
	db, ks := keyspaceNamed(t)
	state := filepath.Join(t.TempDir(), "state.json")
	began = time.Now()
	killed(t, strings.Join([]string{dir, state, strings.Join(hosts, ","), ks, fmt.Sprint(workers)}, " "), int64(rows/2))
	first := time.Since(began)
	x, err := pebblestore.OpenExport(dir)
	require.NoError(t, err)
	began = time.Now()
	o := transfer.Options{Source: x, Target: importer(db, x), State: state, TargetName: ks, Resume: true, Workers: transfer.DefaultWorkers}
	r, err := transfer.Copy(t.Context(), o)
	require.NoError(t, err)
	total := int64(0)
	for _, n := range r.Source {
		total += n
	}
	second := time.Since(began)
	t.Logf("killed after %s with %d rows done; the rest, %d rows, in %s: %.0f rows/s", first.Round(time.Second), total-r.ThisRun, r.ThisRun, second.Round(time.Millisecond), float64(r.ThisRun)/second.Seconds())
	require.Equal(t, int64(n), r.Rows["messages"])
	require.Equal(t, int64(n), r.Rows["claims"])
	require.Zero(t, r.Expired+r.Orphans+r.Newer)
	began = time.Now()
	v, err := transfer.Copy(t.Context(), transfer.Options{Source: x, Target: o.Target, VerifyOnly: true})
	require.NoError(t, err)
	require.Equal(t, r.Rows, v.Rows)
	require.Equal(t, r.Sum, v.Sum)
	t.Logf("read back once more: %d rows in %s: %.0f rows/s; digest %s", v.ThisRun, time.Since(began).Round(time.Millisecond), float64(v.ThisRun)/time.Since(began).Seconds(), v.Sum)
	require.NoError(t, x.Close())
	require.Equal(t, before, hashes(t, dir), "the source was touched")
}
