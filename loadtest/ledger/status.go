package ledger

import (
	"encoding/binary"
	"errors"

	"github.com/murre-chat/murre/loadtest/result"
	"github.com/murre-chat/murre/pkg/chat"
)

// claimKey is a receipt: the member it is about, in a conversation.
type claimKey struct{ conv, member uint32 }

// claim is the most that receipts of one member said in one conversation, to any user of this worker.
type claim struct{ delivered, read chat.MessageID }

// Of large groups only one in so many has its receipts judged: each message brings one a member.
const (
	largeGroup   = 16
	judgedGroups = 8
)

// Status notes a receipt that a user saw: member number `member` of a conversation has (or read up to) a message. read: else
// delivered. A member of -1 is one that the population doesn't know there.
func (b *Book) Status(user, conv, member int, read bool, m chat.MessageID) {
	if !b.p.Holds(conv, user) || !b.p.Holds(conv, member) {
		b.violate(result.WrongRecipient, user, chat.ConversationID{}, m, "a receipt of somebody who is no member of conversation %d, or to such a one", conv)
		return
	}
	if b.p.Size(conv) > largeGroup && conv%judgedGroups != 0 {
		return
	}
	k := claimKey{uint32(conv), uint32(member)}
	c := b.seen[k]
	if read {
		c.read = max(c.read, m)
	} else {
		c.delivered = max(c.delivered, m)
	}
	b.seen[k] = c
}

const claimSize = 4 + 4 + 8 + 8

// Claims are the receipts that were seen, packed for the workers of the members they are about: yield is called with
// the member and the packed claim, which is valid during the call only.
func (b *Book) Claims(yield func(member int, packed []byte)) { pack(b.seen, yield) }

func pack(seen map[claimKey]claim, yield func(member int, packed []byte)) {
	var buf [claimSize]byte
	for k, c := range seen {
		binary.LittleEndian.PutUint32(buf[:], k.conv)
		binary.LittleEndian.PutUint32(buf[4:], k.member)
		binary.LittleEndian.PutUint64(buf[8:], uint64(c.delivered))
		binary.LittleEndian.PutUint64(buf[16:], uint64(c.read))
		yield(int(k.member), buf[:])
	}
}

// JudgeClaims judges packed claims about users of this worker: nobody has what they didn't receive, or read what they didn't
// say they had.
func (b *Book) JudgeClaims(packed []byte) error {
	if len(packed)%claimSize != 0 {
		return errors.New("ledger: a cut claim")
	}
	for ; len(packed) > 0; packed = packed[claimSize:] {
		conv, member := int(binary.LittleEndian.Uint32(packed)), int(binary.LittleEndian.Uint32(packed[4:]))
		delivered, read := chat.MessageID(binary.LittleEndian.Uint64(packed[8:])), chat.MessageID(binary.LittleEndian.Uint64(packed[16:]))
		b.judgeMarks(member, conv, delivered, read)
	}
	return nil
}

func (b *Book) judgeMarks(member, conv int, delivered, read chat.MessageID) {
	var had incoming
	if s := b.in[entry{uint32(conv), uint32(member)}]; s != nil {
		had = *s
	}
	if read > had.read {
		b.violate(result.StatusFalse, member, b.p.Conversation(conv), read, "said to be read by the user, who said so up to %s only", had.read)
	}
	if delivered > max(had.max, had.read, b.sentMax(member, conv)) {
		b.violate(result.StatusFalse, member, b.p.Conversation(conv), delivered, "said to be delivered to the user, who received up to %s only", had.max)
	}
}

func (b *Book) sentMax(user, conv int) chat.MessageID {
	if o := b.out[entry{uint32(conv), uint32(user)}]; o != nil {
		return o.max
	}
	return 0
}
