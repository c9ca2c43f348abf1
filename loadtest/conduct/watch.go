package conduct

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/murre-chat/murre/loadtest/ledger"
	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/pkg/client"
)

// watch reads over REST: watermarks while people chat, histories in the end.
type watch struct {
	r     *run
	marks *ledger.Watch
	convs []int // whose watermarks are read
	http  *http.Client
	rng   *rand.Rand
	turn  int
}

// watchEvery is how often some watermarks are read, watchAtOnce how many then.
const (
	watchEvery  = 2 * time.Second
	watchAtOnce = 10
)

func newWatch(r *run) *watch {
	w := &watch{
		r: r, marks: ledger.NewWatch(r.p, r.began), rng: rand.New(rand.NewPCG(r.sc.Seed, 77)),
		http: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2}},
	}
	// The largest groups have the most to say; the rest is picked by chance.
	for g := range r.p.Groups {
		w.convs = append(w.convs, r.p.GroupConversation(g))
	}
	slices.SortStableFunc(w.convs, func(a, b int) int { return cmp.Compare(r.p.Size(b), r.p.Size(a)) })
	w.convs = w.convs[:min(len(w.convs), r.sc.Check.Histories/2)]
	for len(w.convs) < min(r.sc.Check.Histories, r.p.Conversations()) {
		w.convs = append(w.convs, w.rng.IntN(r.p.Conversations()))
	}
	return w
}

// as is a REST client of a member, at some gateway.
func (w *watch) as(user int) (*client.REST, error) {
	t := w.r.stage.targets()
	return client.NewREST("http://"+t[w.rng.IntN(len(t))], population.Token(w.r.stage.secret(), w.r.p.Subject(user)), w.http)
}

// during reads watermarks for so long. A gateway that doesn't answer, because it is being restarted, is asked another time.
func (w *watch) during(ctx context.Context, d time.Duration) {
	if len(w.convs) == 0 {
		return
	}
	for end := time.Now().Add(d); pause(ctx, watchEvery) && time.Now().Before(end); {
		for range min(watchAtOnce, len(w.convs)) {
			conv := w.convs[w.turn%len(w.convs)]
			w.turn++
			_ = w.look(ctx, conv)
		}
	}
}

// look reads the watermarks of one conversation as one of its members.
func (w *watch) look(ctx context.Context, conv int) error {
	p := w.r.p
	rest, err := w.as(p.Member(conv, w.rng.IntN(p.Size(conv))))
	if err != nil {
		return err
	}
	receipts, err := rest.Receipts(ctx, p.Conversation(conv), 0)
	if err != nil {
		return fmt.Errorf("receipts of conversation %d: %w", conv, err)
	}
	for _, r := range receipts {
		for k := range p.Size(conv) {
			if m := p.Member(conv, k); p.User(m) == r.User {
				w.marks.Marks(conv, m, r.DeliveredTo, r.ReadTo)
			}
		}
	}
	return nil
}

// patiently tries again what a busy server couldn't answer.
func patiently(ctx context.Context, call func() error) error {
	const attempts = 10
	for n := 1; ; n++ {
		err := call()
		if err == nil || n == attempts || !pause(ctx, time.Duration(n)*500*time.Millisecond) {
			return err
		}
	}
}

// histories reads some conversations that had messages from end to end, as one of their members, and their watermarks.
func (w *watch) histories(ctx context.Context, convs []int) error {
	for _, conv := range convs {
		if err := patiently(ctx, func() error { return w.look(ctx, conv) }); err != nil {
			return err
		}
		p := w.r.p
		user := p.Member(conv, w.rng.IntN(p.Size(conv)))
		rest, err := w.as(user)
		if err != nil {
			return err
		}
		h := ledger.NewHistory(p, conv, user)
		q := client.HistoryQuery{SinceTime: time.UnixMilli(p.Made), Limit: 100}
		for {
			var page client.HistoryPage
			if err := patiently(ctx, func() (err error) {
				page, err = rest.History(ctx, p.Conversation(conv), q)
				return err
			}); err != nil {
				return fmt.Errorf("history of conversation %d: %w", conv, err)
			}
			for i := range page.Messages {
				h.Row(&page.Messages[i])
			}
			if !page.HasMore || len(page.Messages) == 0 {
				break
			}
			q = client.HistoryQuery{Since: page.Messages[len(page.Messages)-1].ID, Limit: 100}
		}
		w.r.judge.AddHistory(h)
	}
	return nil
}
