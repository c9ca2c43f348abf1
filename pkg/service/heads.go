package service

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// headDelay is how far behind the stored heads of conversations may be.
	headDelay = time.Second
	// maxHeads is how many heads gather at most. What finds no room is lost and repaired by the next message, or when
	// somebody lists the conversation.
	maxHeads = 1 << 16
	headPage = 500
	// headsPutOff is how many times writing them is put off while the store has too much to do.
	headsPutOff = 10
)

// heads gathers the newest message of each conversation, for lists, and writes them behind. They hold no text: a
// message that is edited or deleted later would live on in it.
type heads struct {
	mu      sync.Mutex
	pending map[chat.ConversationID]store.Head
	writing map[chat.ConversationID]store.Head // being written now
}

func newHeads() *heads {
	return &heads{pending: make(map[chat.ConversationID]store.Head)}
}

// touchHead notes that a message was stored.
func (s *Service) touchHead(m *chat.Message) {
	s.heads.touch(store.Head{Conversation: m.Conversation, Last: m.ID, Sender: m.Sender})
}

func (h *heads) touch(head store.Head) {
	h.mu.Lock()
	defer h.mu.Unlock()
	old, ok := h.pending[head.Conversation]
	if old.Last >= head.Last || (!ok && len(h.pending) >= maxHeads) {
		return
	}
	h.pending[head.Conversation] = head
}

// last returns the newest head that is not stored yet, 0 if there is none.
func (h *heads) last(c chat.ConversationID) chat.MessageID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(h.pending[c].Last, h.writing[c].Last)
}

// runHeads writes heads until ctx ends, and once more then.
func (s *Service) runHeads(ctx context.Context) {
	t := time.NewTicker(headDelay)
	defer t.Stop()
	for putOff := 0; ; {
		select {
		case <-ctx.Done():
			flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), AckDeadline)
			defer cancel()
			s.flushHeads(flush)
			return
		case <-t.C:
			if putOff < headsPutOff && s.gate.Busy() {
				putOff++
				continue
			}
			putOff = 0
			write, cancel := context.WithTimeout(ctx, AckDeadline)
			s.flushHeads(write)
			cancel()
		}
	}
}

func (s *Service) flushHeads(ctx context.Context) {
	h := s.heads
	h.mu.Lock()
	if len(h.pending) == 0 {
		h.mu.Unlock()
		return
	}
	h.writing, h.pending = h.pending, make(map[chat.ConversationID]store.Head)
	list := make([]store.Head, 0, len(h.writing))
	for _, head := range h.writing {
		list = append(list, head)
	}
	h.mu.Unlock()
	var failed []store.Head
	for chunk := range slices.Chunk(list, headPage) {
		if err := s.store.Listing.PutHeads(ctx, chunk); err != nil {
			s.log.Warn("store heads of conversations, will try again", "heads", len(chunk), "error", err)
			failed = append(failed, chunk...)
		}
	}
	for _, head := range failed {
		h.touch(head)
	}
	h.mu.Lock()
	h.writing = nil
	h.mu.Unlock()
}
