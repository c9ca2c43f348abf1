package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/loadtest/result"
)

// account is what was sent to and received in one conversation: by one worker's users, or by all.
type account struct {
	acked, unknown, refused uint32
	got                     uint32 // receptions, and for each user their own acked messages
	sum, gotSum             uint64
}

const lineSize = 4 + 4*4 + 2*8

func (b *Book) accounts() map[uint32]account {
	all := map[uint32]account{}
	for k, o := range b.out {
		a := all[k.conv]
		a.acked += o.acked
		a.refused += o.refused
		a.unknown += o.next - 1 - o.acked - o.refused
		a.sum += o.sum
		a.got += o.acked // everybody has what they wrote
		a.gotSum += o.sum
		all[k.conv] = a
	}
	for k, s := range b.in {
		a := all[k.conv]
		a.got += s.count
		a.gotSum += s.sum
		all[k.conv] = a
	}
	return all
}

// Lines are the accounts of all conversations of this worker's users that had traffic, packed for the Judge.
func (b *Book) Lines() []byte {
	all := b.accounts()
	out := make([]byte, 0, len(all)*lineSize)
	for conv, a := range all {
		out = binary.LittleEndian.AppendUint32(out, conv)
		for _, v := range [...]uint32{a.acked, a.unknown, a.refused, a.got} {
			out = binary.LittleEndian.AppendUint32(out, v)
		}
		out = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(out, a.sum), a.gotSum)
	}
	return out
}

// LineSize is the size of one packed line: cut lines at multiples of it.
const LineSize = lineSize

// Judge compares the accounts of all workers.
type Judge struct {
	p        *population.Population
	accounts map[uint32]account
	counts   map[string]int64
	told     []result.Violation

	Messages, Receptions, Unknown int64
}

// NewJudge makes a Judge.
func NewJudge(p *population.Population) *Judge {
	return &Judge{p: p, accounts: map[uint32]account{}, counts: map[string]int64{}}
}

// AddLines takes packed lines of one worker.
func (j *Judge) AddLines(packed []byte) error {
	if len(packed)%lineSize != 0 {
		return errors.New("ledger: a cut line")
	}
	for ; len(packed) > 0; packed = packed[lineSize:] {
		le := binary.LittleEndian
		conv := le.Uint32(packed)
		a := j.accounts[conv]
		a.acked += le.Uint32(packed[4:])
		a.unknown += le.Uint32(packed[8:])
		a.refused += le.Uint32(packed[12:])
		a.got += le.Uint32(packed[16:])
		a.sum += le.Uint64(packed[20:])
		a.gotSum += le.Uint64(packed[28:])
		j.accounts[conv] = a
	}
	return nil
}

// Conversations is how many had messages.
func (j *Judge) Conversations() int { return len(j.accounts) }

// Suspects are the conversations whose accounts don't agree, in order: not every member has every acked message under its
// acked id, or somebody has more than that.
func (j *Judge) Suspects() []int {
	var out []int
	j.Messages, j.Receptions, j.Unknown = 0, 0, 0
	for conv, a := range j.accounts {
		size := uint32(j.p.Size(int(conv)))
		j.Messages += int64(a.acked)
		j.Receptions += int64(a.got - a.acked)
		j.Unknown += int64(a.unknown)
		switch {
		case a.unknown > 0 && a.got >= size*a.acked && a.got <= size*(a.acked+a.unknown):
			// Who has what was never answered can't be held against anybody.
		case a.got != size*a.acked || a.gotSum != uint64(size)*a.sum:
			out = append(out, int(conv))
		}
	}
	slices.Sort(out)
	return out
}

// MemberAccount is what one user has of one conversation: what others wrote and what they wrote themselves.
type MemberAccount struct {
	Conversation int    `json:"c"`
	User         int    `json:"u"`
	Count        uint32 `json:"n"`
	Sum          uint64 `json:"s,string"`
}

// Members are the accounts of the users from..to-1 in some conversations.
func (b *Book) Members(convs []int, from, to int) []MemberAccount {
	var out []MemberAccount
	for _, c := range convs {
		for k := range b.p.Size(c) {
			user := b.p.Member(c, k)
			if user < from || user >= to {
				continue
			}
			m := MemberAccount{Conversation: c, User: user}
			e := entry{uint32(c), uint32(user)}
			if o := b.out[e]; o != nil {
				m.Count, m.Sum = o.acked, o.sum
			}
			if s := b.in[e]; s != nil {
				m.Count += s.count
				m.Sum += s.sum
			}
			out = append(out, m)
		}
	}
	return out
}

// AddMembers takes the members' accounts of suspects and says what is wrong with each.
func (j *Judge) AddMembers(members []MemberAccount) {
	for _, m := range members {
		j.compare(m, "", result.Ghost)
	}
}

// compare says what is wrong with what a member was shown of a conversation. where begins each sentence; more is what it is
// called when there was more than was ever written.
func (j *Judge) compare(m MemberAccount, where, more string) {
	a := j.accounts[uint32(m.Conversation)]
	switch {
	case m.Count < a.acked:
		j.violate(result.Lost, m, int64(a.acked-m.Count), where+"has %d of %d acked messages", m.Count, a.acked)
	case m.Count > a.acked+a.unknown && a.refused > 0:
		j.violate(result.Rejected, m, int64(m.Count-a.acked), where+"has %d messages; %d were acked and %d refused", m.Count, a.acked, a.refused)
	case m.Count > a.acked+a.unknown:
		j.violate(more, m, int64(m.Count-a.acked), where+"has %d messages; %d were acked", m.Count, a.acked)
	case m.Sum != a.sum && a.unknown == 0:
		j.violate(result.Doubled, m, 1, where+"has all %d messages, but not all under the ids that were acked", a.acked)
	}
}

func (j *Judge) violate(kind string, m MemberAccount, n int64, format string, args ...any) {
	j.counts[kind] += n
	if len(j.told) < 5*examples {
		j.told = append(j.told, result.Violation{
			Kind: kind, User: j.p.User(m.User).String(), Conversation: j.p.Conversation(m.Conversation).String(), Detail: fmt.Sprintf(format, args...),
		})
	}
}

// Add takes violations that others found: workers' books, the readers of histories.
func (j *Judge) Add(counts map[string]int64, told []result.Violation) {
	for kind, n := range counts {
		j.counts[kind] += n
	}
	for _, v := range told {
		if len(j.told) < 5*examples {
			j.told = append(j.told, v)
		}
	}
}

// invariants are the kinds with the numbers of the delivery design, worst first.
var invariants = []result.Find{
	{Kind: result.Lost, Invariant: 1}, {Kind: result.WrongRecipient, Invariant: 5}, {Kind: result.Rejected, Invariant: 6},
	{Kind: result.Ghost, Invariant: 11}, {Kind: result.Altered, Invariant: 11}, {Kind: result.Doubled, Invariant: 2},
	{Kind: result.Reordered, Invariant: 3}, {Kind: result.SyncedLied, Invariant: 8}, {Kind: result.PendingLeft, Invariant: 8},
	{Kind: result.StatusBack, Invariant: 4}, {Kind: result.StatusFalse, Invariant: 4},
}

// Check is the verdict.
func (j *Judge) Check(stateBytes int64) result.Check {
	c := result.Check{
		OK: true, Messages: j.Messages, Receptions: j.Receptions, Conversations: len(j.accounts), Unknown: j.Unknown,
		StateBytes: stateBytes, Found: []result.Find{}, Examples: j.told,
	}
	for _, f := range invariants {
		if f.Count = j.counts[f.Kind]; f.Count > 0 {
			c.Found = append(c.Found, f)
			c.OK = false
		}
	}
	return c
}
