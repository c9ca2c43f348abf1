package redisadmit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/admit/admittest"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

func claims(t testing.TB) store.Claims {
	db, err := pebblestore.Open(pebblestore.Options{Dir: "data", FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db.Ports().Claims
}

func open(t testing.TB, addrs ...string) *rediscluster.Cluster {
	t.Helper()
	c, err := rediscluster.Open(rediscluster.Options{Addrs: addrs, Prefix: servers.Unique("admit") + ":"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// nowhere is an address that refuses connections.
const nowhere = "127.0.0.1:1"

func TestSuite(t *testing.T) {
	for name, kind := range map[string]struct{ trusted, gone bool }{
		"trusted": {trusted: true}, "not trusted": {}, "redis gone": {gone: true}, "gone unnoticed": {trusted: true, gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			addrs := []string{nowhere}
			if !kind.gone {
				addrs = servers.Redis(t)
			}
			admittest.Run(t, func(t *testing.T, rates [admit.NumLimits]admit.Rate) admittest.Engine {
				rows := claims(t)
				start := time.Now()
				var ahead atomic.Int64
				return admittest.Engine{
					Admission: New(Options{
						Cluster: open(t, addrs...), Claims: rows, Rates: rates, Wait: time.Millisecond,
						Trusted: func() bool { return kind.trusted },
						Now:     func() time.Time { return start.Add(time.Duration(ahead.Load())) },
					}),
					Claims:  rows,
					Advance: func(d time.Duration) { ahead.Add(int64(d)) },
				}
			})
		})
	}
}

// two gateways over one Redis and one store; trusted says what both believe.
type two struct {
	a, b    *Admission
	rows    *watched
	trusted atomic.Bool
}

// watched counts what the claim rows are asked.
type watched struct {
	store.Claims
	mu   sync.Mutex
	gets int
	puts int
	read chan struct{} // gets a value for each read
	fail error         // of each read, when set
}

func (w *watched) Get(ctx context.Context, u chat.UserID, k chat.ClientMessageID) (store.Claim, error) {
	c, err := w.Claims.Get(ctx, u, k)
	w.mu.Lock()
	w.gets++
	if w.fail != nil {
		err = w.fail
	}
	w.mu.Unlock()
	select {
	case w.read <- struct{}{}:
	default:
	}
	return c, err
}

func (w *watched) PutIfAbsent(ctx context.Context, c store.Claim) (store.Claim, error) {
	w.mu.Lock()
	w.puts++
	w.mu.Unlock()
	return w.Claims.PutIfAbsent(ctx, c)
}

func newTwo(t testing.TB, wait time.Duration) *two {
	cluster := open(t, servers.Redis(t)...)
	w := &two{rows: &watched{Claims: claims(t), read: make(chan struct{}, 1)}}
	w.trusted.Store(true)
	o := Options{Cluster: cluster, Claims: w.rows, Wait: wait, Trusted: w.trusted.Load}
	o.Rates[admit.LimitMessage] = admit.Rate{Count: 60, Window: time.Minute}
	w.a, w.b = New(o), New(o)
	return w
}

var last atomic.Int64

func newClaim() store.Claim {
	now := time.Now()
	return store.Claim{
		User: chat.NewUserID(now), ClientMessage: chat.NewClientMessageID(now), Conversation: chat.NewConversationID(now),
		Message: chat.MessageID(id.At(now)) + chat.MessageID(last.Add(1)), Digest: [16]byte{1, 2, 3},
	}
}

// again is a later attempt to send what c claims.
func again(c store.Claim) store.Claim {
	c.Message = newClaim().Message
	return c
}

func ask(t *testing.T, a *Admission, c store.Claim, durable bool) admit.Decision {
	t.Helper()
	d, err := a.Admit(t.Context(), admit.Request{Claim: c, Durable: durable, Resend: durable})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAClaimIsFoundByOtherGateways(t *testing.T) {
	w := newTwo(t, time.Hour)
	c := newClaim()
	if d := ask(t, w.a, c, false); !d.Fresh || d.Written {
		t.Fatalf("%+v", d)
	}
	for _, durable := range []bool{false, true} {
		if d := ask(t, w.b, again(c), durable); d.Fresh || d.Held != c {
			t.Fatalf("durable %v: %+v", durable, d)
		}
	}
	if w.rows.gets != 0 {
		t.Errorf("the claim rows were read %d times", w.rows.gets)
	}
}

func TestAMovedClaimIsFoundMoved(t *testing.T) {
	w := newTwo(t, time.Hour)
	c := newClaim()
	ask(t, w.a, c, false)
	moved := again(c)
	w.a.Moved(t.Context(), moved)
	for _, a := range []*Admission{w.a, w.b} {
		if d := ask(t, a, again(c), true); d.Fresh || d.Held != moved {
			t.Fatalf("%+v", d)
		}
	}
}

func TestRedisLearnsOfADurableClaim(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		w := newTwo(t, time.Hour)
		w.trusted.Store(trusted)
		c := newClaim()
		if _, err := w.rows.Claims.PutIfAbsent(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if d := ask(t, w.a, again(c), true); d.Fresh || d.Held != c || !d.Written {
			t.Fatalf("%+v", d)
		}
		w.trusted.Store(true)
		if d := ask(t, w.b, again(c), false); d.Fresh || d.Held != c {
			t.Fatalf("trusted %v: a request that doesn't read the row found %+v", trusted, d)
		}
	}
}

// TestLostClaimOfAnAttemptUnderWay: Redis forgot a claim whose attempt, on another gateway, is still writing. The resend waits
// and finds what that attempt wrote.
func TestLostClaimOfAnAttemptUnderWay(t *testing.T) {
	w := newTwo(t, 300*time.Millisecond)
	c := newClaim()
	if d := ask(t, w.a, c, false); !d.Fresh {
		t.Fatalf("%+v", d)
	}
	if err := w.a.cluster.Client().Del(t.Context(), w.a.claimKey(c)).Err(); err != nil {
		t.Fatal(err)
	}
	w.trusted.Store(false)
	go func() { // the attempt ends after the resend has looked for its row
		<-w.rows.read
		if _, err := w.rows.Claims.PutIfAbsent(context.Background(), c); err != nil {
			t.Error(err)
		}
		w.a.Done(c)
	}()
	if d := ask(t, w.b, again(c), true); d.Fresh || d.Held != c || !d.Written {
		t.Fatalf("%+v", d)
	}
	if s := w.b.Stats(); s.Waits != 1 || s.Writes != 1 {
		t.Errorf("%+v", s)
	}
}

func TestTheWaitEndsWithTheContext(t *testing.T) {
	w := newTwo(t, time.Hour)
	w.trusted.Store(false)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-w.rows.read
		cancel()
	}()
	if _, err := w.a.Admit(ctx, admit.Request{Claim: newClaim(), Durable: true, Resend: true}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if n := w.a.flying.Len(); n != 0 || w.rows.puts != 0 {
		t.Errorf("%d claims fly, %d rows were made", n, w.rows.puts)
	}
}

// TestNoIdOutlivesTheWait: an id made before the wait would put the message above what people have read meanwhile.
func TestNoIdOutlivesTheWait(t *testing.T) {
	w := newTwo(t, time.Millisecond)
	w.trusted.Store(false)
	c := newClaim()
	renewed := newClaim().Message
	d, err := w.a.Admit(t.Context(), admit.Request{Claim: c, Durable: true, Resend: true, Renew: func() (chat.MessageID, error) { return renewed, nil }})
	if err != nil || !d.Fresh || d.Held.Message != renewed {
		t.Fatalf("%+v %v", d, err)
	}
	w.a.Done(d.Held)
	w.trusted.Store(true)
	if d := ask(t, w.b, again(c), false); d.Held.Message != renewed {
		t.Fatalf("%+v", d)
	}
}

// TestWithoutTrustTheRowDecides: a claim that only Redis holds is no more than a wish.
func TestWithoutTrustTheRowDecides(t *testing.T) {
	w := newTwo(t, time.Millisecond)
	c := newClaim()
	ask(t, w.a, c, false) // in Redis only
	w.trusted.Store(false)
	row := again(c)
	if _, err := w.rows.Claims.PutIfAbsent(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if d := ask(t, w.b, again(c), false); d.Fresh || d.Held != row || !d.Written {
		t.Fatalf("%+v", d)
	}
	w.b.Done(row)
	w.trusted.Store(true)
	if d := ask(t, w.b, again(c), false); d.Held != row {
		t.Fatalf("redis still says %+v", d)
	}
}

// TestAClaimTakenUnseenIsntBelieved: the first attempt made its row while Redis didn't answer; the second took the claim in
// Redis and couldn't read the row. What it took is not the message's id.
func TestAClaimTakenUnseenIsntBelieved(t *testing.T) {
	for _, settled := range []bool{false, true} {
		w := newTwo(t, time.Hour)
		c := newClaim()
		if settled {
			w.trusted.Store(false)
			if d := ask(t, w.a, c, false); !d.Fresh || !d.Written {
				t.Fatalf("%+v", d)
			}
			w.a.Done(c)
			if err := w.a.cluster.Client().Del(t.Context(), w.a.claimKey(c)).Err(); err != nil {
				t.Fatal(err)
			}
			w.trusted.Store(true)
		}
		w.rows.fail = store.ErrUnavailable
		second := again(c)
		if d, err := w.b.Admit(t.Context(), admit.Request{Claim: second, Durable: true, Resend: true}); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("%+v %v", d, err)
		}
		if d, err := w.a.Admit(t.Context(), admit.Request{Claim: again(c), Durable: true, Resend: true}); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("another gateway decided without the row: %+v %v", d, err)
		}
		w.rows.fail = nil
		want := second
		if settled {
			want = c
		}
		if d := ask(t, w.a, again(c), true); d.Fresh || d.Held != want || d.Written != settled {
			t.Fatalf("settled %v: %+v, not %v", settled, d, want)
		}
		if d := ask(t, w.b, again(c), false); d.Fresh || d.Held != want {
			t.Fatalf("settled %v: redis still says %+v", settled, d)
		}
	}
}

func TestNewMessagesDontWaitWithoutTrust(t *testing.T) {
	w := newTwo(t, time.Hour)
	w.trusted.Store(false)
	c := newClaim()
	if d := ask(t, w.a, c, false); !d.Fresh || !d.Written || d.Held != c {
		t.Fatalf("%+v", d)
	}
	if w.rows.gets != 0 || w.rows.puts != 1 {
		t.Errorf("%d reads, %d writes of the row", w.rows.gets, w.rows.puts)
	}
}

func TestRatesHoldAcrossGateways(t *testing.T) {
	w := newTwo(t, time.Hour)
	first := newClaim()
	n := 0
	for i := range 100 {
		c := newClaim()
		c.User = first.User
		d := ask(t, []*Admission{w.a, w.b}[i%2], c, false)
		if d.RetryAfter == 0 {
			n++
		} else if d.Limit != admit.LimitMessage || d.RetryAfter > time.Minute {
			t.Fatalf("%+v", d)
		}
	}
	if n != 60 {
		t.Errorf("%d of 60 were admitted", n)
	}
}

// TestNeverTwoWhenRedisForgets: resends by two gateways race with a first attempt whose claim Redis loses on the way, and no two
// ids are ever committed for one key.
func TestNeverTwoWhenRedisForgets(t *testing.T) {
	const wait, attempt = 150 * time.Millisecond, 20 * time.Millisecond
	w := newTwo(t, wait)
	var all sync.WaitGroup
	begun := make([]admit.Decision, 40)
	for i := range begun {
		begun[i] = ask(t, w.a, newClaim(), false)
	}
	w.trusted.Store(false) // and then the data is gone
	for round, first := range begun {
		all.Go(func() {
			c := first.Held
			var mu sync.Mutex
			committed := map[chat.MessageID]bool{}
			commit := func(a *Admission, d admit.Decision) {
				defer a.Done(d.Held)
				time.Sleep(attempt * time.Duration(round%3) / 2) // an attempt takes its time, less than the wait
				held, err := w.rows.Claims.PutIfAbsent(context.Background(), d.Held)
				if err != nil || held.Message != d.Held.Message {
					t.Errorf("the row says %v, admission said %v, %v", held.Message, d.Held.Message, err)
				}
				mu.Lock()
				committed[d.Held.Message] = true
				mu.Unlock()
			}
			if err := w.a.cluster.Client().Del(context.Background(), w.a.claimKey(c)).Err(); err != nil {
				t.Error(err)
			}
			var resends sync.WaitGroup
			for i := range 4 {
				resends.Go(func() {
					a := []*Admission{w.a, w.b}[i%2]
					d, err := a.Admit(context.Background(), admit.Request{Claim: again(c), Durable: true, Resend: true})
					if err != nil {
						t.Error(err)
						return
					}
					commit(a, d)
				})
			}
			if round%4 != 0 { // else it dies before it wrote anything
				commit(w.a, first)
			} else {
				w.a.Done(first.Held)
			}
			resends.Wait()
			if len(committed) != 1 {
				t.Errorf("%d ids were committed for one key", len(committed))
			}
		})
	}
	all.Wait()
	if w.a.flying.Len()+w.b.flying.Len() != 0 {
		t.Error("claims fly on")
	}
}

func TestOneRoundTrip(t *testing.T) {
	w := newTwo(t, time.Hour)
	ask(t, w.a, newClaim(), false) // loads the script
	before := w.a.cluster.RoundTrips()
	sent := w.a.cluster.Sent()
	for range 20 {
		c := newClaim()
		ask(t, w.a, c, false)
		w.a.Done(c)
	}
	after := w.a.cluster.RoundTrips()
	if n := after[rediscluster.Claim] - before[rediscluster.Claim]; n != 20 {
		t.Errorf("%d round trips for 20 messages", n)
	}
	if n := w.a.cluster.Sent() - sent; n > 26 { // each master learns the script once
		t.Errorf("%d commands for 20 messages", n)
	}
	if w.rows.gets+w.rows.puts != 0 {
		t.Error("the claim rows were asked")
	}
}

func TestValues(t *testing.T) {
	c := newClaim()
	for _, v := range []string{value(c), valueUnsure(c)} {
		if got, err := claimOf(v, c); err != nil || got != c {
			t.Fatalf("%+v %v", got, err)
		}
	}
	for _, bad := range []string{"", "x", value(c)[1:], value(c) + "x", string(make([]byte, valueSize))} {
		if _, err := claimOf(bad, c); err == nil {
			t.Errorf("%q was read as a claim", bad)
		}
	}
}

func BenchmarkAdmit(b *testing.B) {
	a := New(Options{Cluster: open(b, servers.Redis(b)...), Claims: claims(b), Trusted: func() bool { return true }, Rates: [admit.NumLimits]admit.Rate{
		admit.LimitMessage: {Count: 60, Window: time.Minute},
	}})
	first := newClaim()
	if _, err := a.Admit(b.Context(), admit.Request{Claim: first}); err != nil {
		b.Fatal(err)
	}
	bytes, err := a.cluster.Client().MemoryUsage(b.Context(), a.claimKey(first)).Result()
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(100)
	var total atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c := newClaim()
			begun := time.Now()
			d, err := a.Admit(context.Background(), admit.Request{Claim: c})
			total.Add(int64(time.Since(begun)))
			if err != nil || !d.Fresh {
				b.Error(d, err)
				return
			}
			a.Done(c)
		}
	})
	b.ReportMetric(float64(total.Load())/float64(b.N)/1000, "µs/admit")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "admits/s")
	b.ReportMetric(float64(bytes), "B/claim")
}
