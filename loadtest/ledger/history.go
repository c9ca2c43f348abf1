package ledger

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/loadtest/result"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// History is a conversation as one of its members reads it back from end to end.
type History struct {
	p          *population.Population
	conv, user int
	count      uint32
	sum        uint64
	last       chat.MessageID
	counts     map[string]int64
	told       []result.Violation
}

// NewHistory begins to read conversation conv as user.
func NewHistory(p *population.Population, conv, user int) *History {
	return &History{p: p, conv: conv, user: user, counts: map[string]int64{}}
}

// Row takes the next message, oldest first.
func (h *History) Row(m *protocol.Message) {
	n, ok := ParseText(m.Content)
	switch {
	case !ok:
		h.violate(result.Altered, m.ID, "history shows a text that nobody wrote")
		return
	case n.Conversation != h.conv:
		h.violate(result.WrongRecipient, m.ID, "history shows a message to conversation %d", n.Conversation)
		return
	case m.ID <= h.last:
		h.violate(result.Reordered, m.ID, "history shows it after %s", h.last)
	}
	h.last = m.ID
	h.count++
	h.sum += digest(&n, m.ID)
}

func (h *History) violate(kind string, m chat.MessageID, format string, args ...any) {
	h.counts[kind]++
	h.told = append(h.told, result.Violation{
		Kind: kind, User: h.p.User(h.user).String(), Conversation: h.p.Conversation(h.conv).String(), Message: m.String(), Detail: fmt.Sprintf(format, args...),
	})
}

// AddHistory compares what history shows with what was acked. Call it once all accounts are there.
func (j *Judge) AddHistory(h *History) {
	j.Add(h.counts, h.told)
	j.compare(MemberAccount{Conversation: h.conv, User: h.user, Count: h.count, Sum: h.sum}, "history ", result.Doubled)
}

// Sample are up to n conversations that had messages: those with the most, and others.
func (j *Judge) Sample(n int) []int {
	all := make([]int, 0, len(j.accounts))
	for c := range j.accounts {
		all = append(all, int(c))
	}
	slices.Sort(all)
	if len(all) <= n {
		return all
	}
	busy := slices.Clone(all)
	slices.SortStableFunc(busy, func(a, b int) int {
		return cmp.Compare(j.accounts[uint32(b)].acked, j.accounts[uint32(a)].acked)
	})
	out := busy[:n/4]
	for i := len(out); i < n; i++ {
		out = append(out, all[i*len(all)/n])
	}
	slices.Sort(out)
	return slices.Compact(out)
}
