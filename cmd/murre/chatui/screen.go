package chatui

import (
	"fmt"
	"io"
	"strings"

	"github.com/murre-chat/murre/pkg/chat"
)

// Escape sequences. The alternate screen leaves what was on the terminal before as it was.
const (
	enterScreen = "\x1b[?1049h\x1b[2J"
	leaveScreen = "\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	hideCursor  = "\x1b[?25l"
	showCursor  = "\x1b[?25h"
	dim         = "\x1b[2m"
	green       = "\x1b[32m"
	cyan        = "\x1b[36m"
	red         = "\x1b[31m"
	inverse     = "\x1b[7m"
	plain       = "\x1b[0m"
)

// screen draws a room on a whole terminal: the messages, a status line, the input line. Everything is drawn anew on each
// change, in one write.
type screen struct {
	out  io.Writer
	size func() (cols, rows int)
}

// Enter and Leave switch a terminal to the alternate screen and back.
func Enter(w io.Writer) { fmt.Fprint(w, enterScreen) }

// Leave undoes Enter.
func Leave(w io.Writer) { fmt.Fprint(w, leaveScreen, showCursor, plain) }

func (sc *screen) entry(s *Session, e *entry, _ bool) {
	if e.number != 0 && !e.pending && e.msg.Sender == s.room.me {
		e.shown = s.room.statusOf(e)
	}
	sc.refresh(s)
}

func (sc *screen) refresh(s *Session) {
	cols, rows := sc.size()
	if cols < 20 || rows < 4 {
		cols, rows = max(cols, 20), max(rows, 4)
	}
	body := rows - 2
	var all []string
	// From the newest backwards, as far as is needed.
	for i := len(s.room.entries) - 1; i >= 0 && len(all) < body+s.scroll; i-- {
		all = append(sc.draw(s, s.room.entries[i], cols), all...)
	}
	s.scroll = min(s.scroll, max(len(all)-body, 0))
	all = all[:len(all)-s.scroll]
	if len(all) > body {
		all = all[len(all)-body:]
	}
	var b strings.Builder
	b.WriteString(hideCursor + home)
	for i := range body {
		if at := i - (body - len(all)); at >= 0 {
			b.WriteString(all[at])
		}
		b.WriteString(clearLine + "\r\n")
	}
	b.WriteString(inverse + fit(sc.status(s), cols) + plain + "\r\n")
	text, cursor := s.editor.visible(cols - 3)
	b.WriteString("> " + text + clearLine + fmt.Sprintf("\r\x1b[%dC", cursor+2) + showCursor)
	_, _ = io.WriteString(sc.out, b.String()) // a terminal that is gone shows in the next read
}

// draw makes the lines of one entry.
func (sc *screen) draw(s *Session, e *entry, cols int) []string {
	r := s.room
	if e.notice != "" {
		lines := wrap("  "+e.notice, cols, 2)
		for i := range lines {
			lines[i] = dim + lines[i] + plain
		}
		return lines
	}
	own := e.msg.Sender == r.me
	head := fmt.Sprintf("%s #%d ", clock(e.at, s.o.Now()), e.number)
	name := r.name(e.msg.Sender)
	tail := ""
	if own {
		tail = "  " + r.progress(e)
	}
	text := head + name + ": " + r.body(e)
	lines := wrap(text, cols, 2)
	if width(lines[len(lines)-1])+width(tail) > cols {
		lines = append(lines, "")
	}
	// Colours go in after wrapping: they take no room.
	if rest, ok := strings.CutPrefix(lines[0], head+name); ok {
		colour := cyan
		if own {
			colour = green
		}
		lines[0] = dim + head + plain + colour + name + plain + rest
	}
	if tail != "" {
		colour := dim
		switch {
		case e.failed != "":
			colour = red
		case r.statusOf(e) == chat.Read && !e.pending:
			colour = cyan
		}
		lines[len(lines)-1] += colour + tail + plain
	}
	return lines
}

func (sc *screen) status(s *Session) string {
	parts := []string{" " + clean(s.room.title())}
	switch {
	case s.state != "":
		parts = append(parts, s.state)
	default:
		if t := typers(s.room); t != "" {
			parts = append(parts, t)
		}
		if o := present(s.room); o != "" {
			parts = append(parts, "online: "+o)
		}
	}
	if s.scroll > 0 {
		parts = append(parts, fmt.Sprintf("%d lines below", s.scroll))
	}
	return strings.Join(append(parts, "/help"), "  ·  ")
}

// fit cuts or fills a text to exactly cols columns.
func fit(s string, cols int) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.ReplaceAll(s, "\n", " ") {
		w := runeWidth(r)
		if n+w > cols {
			break
		}
		b.WriteRune(r)
		n += w
	}
	return b.String() + strings.Repeat(" ", cols-n)
}
