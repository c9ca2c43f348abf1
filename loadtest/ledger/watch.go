package ledger

import (
	"fmt"
	"time"

	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/loadtest/result"
	"github.com/murre-chat/murre/pkg/chat"
)

// Watch looks at the watermarks of some conversations again and again, as they are read over REST: those may never go back.
// What they said at most is judged as receipts are.
type Watch struct {
	p      *population.Population
	began  time.Time
	seen   map[claimKey]claim
	counts map[string]int64
	told   []result.Violation
}

// NewWatch makes a Watch.
func NewWatch(p *population.Population, began time.Time) *Watch {
	return &Watch{p: p, began: began, seen: map[claimKey]claim{}, counts: map[string]int64{}}
}

// Marks notes the watermarks of a member of a conversation. Call it in the order in which they were asked for.
func (w *Watch) Marks(conv, member int, delivered, read chat.MessageID) {
	k := claimKey{uint32(conv), uint32(member)}
	was := w.seen[k]
	if delivered < was.delivered {
		w.back(k, delivered, "deliveredTo went back from %s to %s", was.delivered, delivered)
	}
	if read < was.read {
		w.back(k, read, "readTo went back from %s to %s", was.read, read)
	}
	w.seen[k] = claim{max(delivered, was.delivered), max(read, was.read)}
}

func (w *Watch) back(k claimKey, m chat.MessageID, format string, was, is chat.MessageID) {
	w.counts[result.StatusBack]++
	if len(w.told) < examples {
		w.told = append(w.told, result.Violation{
			Kind: result.StatusBack, At: time.Since(w.began).Seconds(), User: w.p.User(int(k.member)).String(),
			Conversation: w.p.Conversation(int(k.conv)).String(), Message: m.String(), Detail: fmt.Sprintf(format, was, is),
		})
	}
}

// Found are the violations so far.
func (w *Watch) Found() (counts map[string]int64, told []result.Violation) { return w.counts, w.told }

// Claims are what the watermarks said at most; see Book.Claims.
func (w *Watch) Claims(yield func(member int, packed []byte)) { pack(w.seen, yield) }
