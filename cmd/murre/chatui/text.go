package chatui

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/murre-chat/murre/pkg/chat"
)

// clean makes text of others harmless for a terminal: control characters, which could move the cursor or worse, and
// characters that turn the direction of writing are shown as dots; a newline stays.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case unicode.IsControl(r) || r == '\ufeff' || (r >= '\u202a' && r <= '\u202e') || (r >= '\u2066' && r <= '\u2069'):
			return '·'
		}
		return r
	}, s)
}

// runeWidth is how many columns a character takes: 0 for marks, 2 for wide East Asian characters and pictures.
func runeWidth(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r) || r == '\u200d' || (r >= '\ufe00' && r <= '\ufe0f'):
		return 0
	case r >= 0x1100 && (r <= 0x115f || (r >= 0x2e80 && r <= 0xa4cf) || (r >= 0xac00 && r <= 0xd7a3) || (r >= 0xf900 && r <= 0xfaff) ||
		(r >= 0xfe30 && r <= 0xfe6f) || (r >= 0xff00 && r <= 0xff60) || (r >= 0x1f300 && r <= 0x1faff) || (r >= 0x20000 && r <= 0x3fffd)):
		return 2
	}
	return 1
}

func width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// wrap breaks text into lines of at most cols columns, at spaces where there are any; lines after the first are indented.
func wrap(s string, cols, indent int) []string {
	cols = max(cols, indent+8)
	var out []string
	pad := ""
	for para := range strings.SplitSeq(s, "\n") {
		line, n, space := pad, len(pad), -1
		for _, r := range para {
			w := runeWidth(r)
			if n+w > cols {
				rest := ""
				if space > indent && r != ' ' {
					rest, line = line[space+1:], line[:space]
				}
				out = append(out, line)
				pad = strings.Repeat(" ", indent)
				line = pad + rest
				n, space = width(line), -1
				if r == ' ' {
					continue
				}
			}
			if r == ' ' {
				space = len(line)
			}
			line += string(r)
			n += w
		}
		out = append(out, line)
		pad = strings.Repeat(" ", indent)
	}
	return out
}

// clock prints a moment as people read it: today's without the day.
func clock(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return t.Format("15:04:05")
	}
	return t.Format("2 Jan 15:04")
}

// mark is the sign of a status.
func mark(s chat.Status) string {
	switch s {
	case chat.Sent:
		return "✓"
	case chat.Delivered:
		return "✓✓"
	case chat.Read:
		return "✓✓ read"
	}
	return "…"
}

// body is a message's text with what belongs to it, without its sender and time.
func (r *room) body(e *entry) string {
	m := &e.msg
	if m.Deleted {
		return "(deleted)"
	}
	var b strings.Builder
	if m.ReplyTo != 0 {
		if to := r.find(m.ReplyTo); to != nil {
			fmt.Fprintf(&b, "(to #%d) ", to.number)
		} else {
			b.WriteString("(a reply) ")
		}
	}
	if m.Media != nil {
		fmt.Fprintf(&b, "[%s %s, %d bytes] ", m.ContentType, clean(m.Media.Name), m.Media.Size)
	}
	b.WriteString(clean(m.Content))
	if m.EditedAt != 0 {
		b.WriteString(" (edited)")
	}
	for _, x := range m.Reactions {
		fmt.Fprintf(&b, " [%s %s]", clean(x.Emoji), r.name(x.User))
	}
	return b.String()
}

// progress says how far an own message has come.
func (r *room) progress(e *entry) string {
	switch {
	case e.failed != "":
		return "✗ " + e.failed
	case e.pending:
		return "…"
	}
	s := r.statusOf(e)
	delivered, read, of := r.seen(e)
	if of > 1 && s < chat.Read && delivered > 0 {
		return fmt.Sprintf("%s %d/%d delivered, %d read", mark(s), delivered, of, read)
	}
	return mark(s)
}
