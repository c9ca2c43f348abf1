package worker

import "github.com/murre-chat/murre/pkg/chat"

// What a timer is for.
const (
	toConnect  uint8 = iota // unless the seat's epoch has moved on
	toGiveUp                // a dial that took too long; unless the epoch has moved on
	toComeBack              // who was away is wanted again
	toLeave                 // a server that drains; unless the epoch has moved on
	toRetry                 // what is unanswered
	toWrite                 // the next message to conversation conv
	toRead                  // conversation conv up to a message
)

// timer is something that a seat does later.
type timer struct {
	at    int64 // Unix ns, local
	msg   chat.MessageID
	seat  uint32
	conv  uint32
	epoch uint16
	kind  uint8
}

// timers is a heap by time.
type timers []timer

func (h *timers) push(t timer) {
	*h = append(*h, t)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if s[up].at <= s[i].at {
			return
		}
		s[up], s[i] = s[i], s[up]
		i = up
	}
}

// pop takes the first one, if it is due.
func (h *timers) pop(now int64) (timer, bool) {
	s := *h
	if len(s) == 0 || s[0].at > now {
		return timer{}, false
	}
	first := s[0]
	last := len(s) - 1
	s[0] = s[last]
	s = s[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down+1 < last && s[down+1].at < s[down].at {
			down++
		}
		if down >= last || s[i].at <= s[down].at {
			break
		}
		s[i], s[down] = s[down], s[i]
		i = down
	}
	if cap(s) > 4096 && len(s) < cap(s)/4 { // a storm's timers are gone
		s = append(make(timers, 0, 2*len(s)), s...)
	}
	*h = s
	return first, true
}
