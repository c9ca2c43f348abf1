package chatui

import (
	"unicode/utf8"
)

// keyKind says what a key does.
type keyKind uint8

const (
	keyRune keyKind = iota
	keyEnter
	keyBackspace
	keyDelete
	keyLeft
	keyRight
	keyUp
	keyDown
	keyHome
	keyEnd
	keyPageUp
	keyPageDown
	keyKillLine
	keyKillWord
	keyRedraw
	keyQuit
	keyEOF
	keyOther
)

type key struct {
	kind keyKind
	r    rune
}

var controls = map[byte]keyKind{
	'\r': keyEnter, '\n': keyEnter, 0x7f: keyBackspace, 0x08: keyBackspace, 0x01: keyHome, 0x05: keyEnd, 0x15: keyKillLine, 0x17: keyKillWord,
	0x0c: keyRedraw, 0x03: keyQuit, 0x04: keyEOF, 0x02: keyLeft, 0x06: keyRight, 0x10: keyUp, 0x0e: keyDown,
}

var sequences = map[string]keyKind{
	"[A": keyUp, "[B": keyDown, "[C": keyRight, "[D": keyLeft, "[H": keyHome, "[F": keyEnd, "OH": keyHome, "OF": keyEnd, "[1~": keyHome, "[4~": keyEnd,
	"[3~": keyDelete, "[5~": keyPageUp, "[6~": keyPageDown,
}

// parseKeys cuts keys off what a terminal sent; rest is the beginning of one that isn't complete.
func parseKeys(b []byte) (keys []key, rest []byte) {
	for len(b) > 0 {
		switch {
		case b[0] == 0x1b:
			n, k, whole := parseEscape(b)
			if !whole {
				return keys, b
			}
			keys, b = append(keys, key{kind: k}), b[n:]
		case b[0] < 0x20 || b[0] == 0x7f:
			k, ok := controls[b[0]]
			if !ok {
				k = keyOther
			}
			keys, b = append(keys, key{kind: k}), b[1:]
		default:
			if !utf8.FullRune(b) {
				return keys, b
			}
			r, n := utf8.DecodeRune(b)
			if r == utf8.RuneError && n == 1 {
				keys = append(keys, key{kind: keyOther})
			} else {
				keys = append(keys, key{keyRune, r})
			}
			b = b[n:]
		}
	}
	return keys, nil
}

// parseEscape reads one escape sequence: ESC [ parameters letter, or ESC O letter.
func parseEscape(b []byte) (n int, k keyKind, whole bool) {
	if len(b) < 2 {
		return 0, 0, false
	}
	if b[1] != '[' && b[1] != 'O' {
		return 2, keyOther, true
	}
	for i := 2; i < len(b); i++ {
		if c := b[i]; c >= 0x40 && c <= 0x7e {
			k, ok := sequences[string(b[1:i+1])]
			if !ok {
				k = keyOther
			}
			return i + 1, k, true
		}
		if i > 16 {
			return i, keyOther, true
		}
	}
	return 0, 0, false
}

// editor is the input line.
type editor struct {
	text   []rune
	pos    int
	past   []string
	recall int // how far back in past; 0: the line itself
	draft  string
}

// press applies a key. It returns a finished line, and whether there is one.
func (e *editor) press(k key) (line string, done bool) {
	switch k.kind {
	case keyRune:
		e.text = append(e.text[:e.pos], append([]rune{k.r}, e.text[e.pos:]...)...)
		e.pos++
	case keyEnter:
		line = string(e.text)
		if line != "" {
			e.past = append(e.past, line)
			if len(e.past) > 100 {
				e.past = e.past[1:]
			}
		}
		e.text, e.pos, e.recall, e.draft = nil, 0, 0, ""
		return line, true
	case keyBackspace:
		if e.pos > 0 {
			e.text = append(e.text[:e.pos-1], e.text[e.pos:]...)
			e.pos--
		}
	case keyDelete:
		if e.pos < len(e.text) {
			e.text = append(e.text[:e.pos], e.text[e.pos+1:]...)
		}
	case keyLeft:
		e.pos = max(e.pos-1, 0)
	case keyRight:
		e.pos = min(e.pos+1, len(e.text))
	case keyHome:
		e.pos = 0
	case keyEnd:
		e.pos = len(e.text)
	case keyKillLine:
		e.text, e.pos = e.text[e.pos:], 0
	case keyKillWord:
		i := e.pos
		for i > 0 && e.text[i-1] == ' ' {
			i--
		}
		for i > 0 && e.text[i-1] != ' ' {
			i--
		}
		e.text, e.pos = append(e.text[:i], e.text[e.pos:]...), i
	case keyUp:
		e.back(1)
	case keyDown:
		e.back(-1)
	}
	return "", false
}

func (e *editor) back(by int) {
	to := e.recall + by
	if to < 0 || to > len(e.past) {
		return
	}
	if e.recall == 0 {
		e.draft = string(e.text)
	}
	e.recall = to
	line := e.draft
	if to > 0 {
		line = e.past[len(e.past)-to]
	}
	e.text = []rune(line)
	e.pos = len(e.text)
}

// visible returns the part of the line that fits into cols columns, and the cursor's column in it.
func (e *editor) visible(cols int) (string, int) {
	start := 0
	for width(string(e.text[start:e.pos])) >= cols && start < e.pos {
		start++
	}
	end := start
	for n := 0; end < len(e.text); end++ {
		if n += runeWidth(e.text[end]); n > cols {
			break
		}
	}
	return string(e.text[start:end]), width(string(e.text[start:e.pos]))
}
