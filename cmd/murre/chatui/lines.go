package chatui

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/murre-chat/murre/pkg/chat"
)

// lines shows a room as plain lines, one after the other: for pipes and scripts.
type lines struct {
	out    io.Writer
	state  string
	typing string
	online string
	began  bool
}

func (l *lines) printf(format string, args ...any) {
	fmt.Fprintf(l.out, format+"\n", args...)
}

func (l *lines) entry(s *Session, e *entry, fresh bool) {
	r := s.room
	if e.notice != "" {
		l.printf("  -- %s", e.notice)
		return
	}
	own := e.msg.Sender == r.me
	body := r.body(e)
	switch {
	case fresh:
		l.printf("%s #%d %s: %s", clock(e.at, s.o.Now()), e.number, r.name(e.msg.Sender), body)
	case body != e.printed:
		l.printf("  -- #%d is now: %s", e.number, body)
	}
	e.printed = body
	if !own || e.pending && e.failed == "" {
		return
	}
	if e.failed != "" {
		l.printf("  ✗ #%d not sent: %s", e.number, e.failed)
		return
	}
	now := r.statusOf(e)
	if now <= e.shown {
		return
	}
	e.shown = now
	switch now {
	case chat.Sent:
		l.printf("  ✓ #%d sent", e.number)
	case chat.Delivered:
		l.printf("  ✓✓ #%d delivered", e.number)
	case chat.Read:
		l.printf("  ✓✓ #%d read", e.number)
	}
}

func (l *lines) refresh(s *Session) {
	if !l.began {
		l.began = true
		l.printf("  -- chatting in %s; /help lists the commands", clean(s.room.title()))
	}
	if s.state != l.state && s.state != "connecting" {
		l.state = s.state
		if s.state == "" {
			l.printf("  -- connected")
		} else {
			l.printf("  -- %s", s.state)
		}
	}
	if t := typers(s.room); t != l.typing {
		if l.typing = t; t != "" {
			l.printf("  -- %s", t)
		}
	}
	if o := present(s.room); o != l.online {
		l.online = o
		l.printf("  -- online: %s", o)
	}
}

// typers says who types.
func typers(r *room) string {
	var names []string
	for u := range r.typing {
		names = append(names, r.name(u))
	}
	slices.Sort(names)
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0] + " is typing…"
	}
	return strings.Join(names, ", ") + " are typing…"
}

// present says who of the others is online.
func present(r *room) string {
	var names []string
	for u, on := range r.online {
		if on && u != r.me {
			names = append(names, r.name(u))
		}
	}
	if len(names) == 0 {
		if len(r.online) == 0 {
			return ""
		}
		return "nobody"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
