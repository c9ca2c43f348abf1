package chatui

import (
	"bufio"
	"context"
)

// read hands the loop what comes from the keyboard or the pipe, until either ends. It may outlive the session by one read
// of the terminal: a read can't be interrupted, and the program ends anyway.
func (s *Session) read(ctx context.Context) {
	if s.o.Keys == nil {
		in := bufio.NewScanner(s.o.Lines)
		in.Buffer(nil, 1<<20)
		for in.Scan() && ctx.Err() == nil {
			line := in.Text()
			s.later(func() { s.line(line) })
		}
		s.later(func() {
			if err := in.Err(); err != nil {
				s.say("input: %v", err)
			}
			s.eof = true
		})
		return
	}
	buf, have := make([]byte, 4096), 0
	for {
		n, err := s.o.Keys.Read(buf[have:])
		if err != nil {
			s.later(func() { s.over = errQuit })
			return
		}
		keys, rest := parseKeys(buf[:have+n])
		have = copy(buf, rest)
		if have == len(buf) {
			have = 0
		}
		s.later(func() {
			for _, k := range keys {
				s.key(k)
			}
			s.touched()
			s.view.refresh(s)
		})
	}
}

func (s *Session) key(k key) {
	switch k.kind {
	case keyQuit:
		s.over = errQuit
	case keyEOF:
		if len(s.editor.text) == 0 {
			s.over = errQuit
		}
	case keyPageUp:
		s.scroll += 10
		if s.room.hasMore && s.scroll > len(s.room.entries)-historyPage {
			s.moreHistory(historyPage)
		}
	case keyPageDown:
		s.scroll = max(s.scroll-10, 0)
	case keyRedraw, keyOther:
	default:
		if line, done := s.editor.press(k); done {
			s.line(line)
		}
	}
}
