package service

import (
	"unicode/utf8"

	"github.com/murre-chat/murre/pkg/chat"
)

const (
	zeroWidthJoiner   = 0x200d
	emojiPresentation = 0xfe0f
	keycap            = 0x20e3
	blackFlag         = 0x1f3f4
	cancelTag         = 0xe007f
)

// isEmoji reports whether a text is one emoji as people see it: a pictograph with its modifiers, several joined to one,
// a flag or a keycap (Unicode Technical Standard 51, definition of an emoji sequence). It doesn't know which sequences
// any font draws.
func isEmoji(s string) bool {
	if len(s) == 0 || len(s) > chat.MaxEmoji || !utf8.ValidString(s) {
		return false
	}
	r := []rune(s)
	if rest, ok := keycapOrFlag(r); ok {
		return len(rest) == 0
	}
	for {
		var ok bool
		if r, ok = element(r); !ok {
			return false
		}
		if len(r) == 0 {
			return true
		}
		if r[0] != zeroWidthJoiner {
			return false
		}
		r = r[1:]
	}
}

func keycapOrFlag(r []rune) ([]rune, bool) {
	regional := func(c rune) bool { return c >= 0x1f1e6 && c <= 0x1f1ff }
	switch {
	case len(r) >= 2 && regional(r[0]) && regional(r[1]):
		return r[2:], true
	case r[0] >= '0' && r[0] <= '9' || r[0] == '#' || r[0] == '*':
		r = r[1:]
		if len(r) > 0 && r[0] == emojiPresentation {
			r = r[1:]
		}
		if len(r) > 0 && r[0] == keycap {
			return r[1:], true
		}
		return []rune{0}, true // a bare digit is no emoji
	}
	return r, false
}

// element takes one pictograph with its presentation, skin tone and tags off.
func element(r []rune) ([]rune, bool) {
	if len(r) == 0 || !pictograph(r[0]) {
		return r, false
	}
	first := r[0]
	r = r[1:]
	if len(r) > 0 && r[0] == emojiPresentation {
		r = r[1:]
	}
	if len(r) > 0 && r[0] >= 0x1f3fb && r[0] <= 0x1f3ff {
		r = r[1:]
	}
	if first == blackFlag && len(r) > 0 && r[0] >= 0xe0020 && r[0] < cancelTag {
		for len(r) > 0 && r[0] >= 0xe0020 && r[0] < cancelTag {
			r = r[1:]
		}
		if len(r) == 0 || r[0] != cancelTag {
			return r, false
		}
		r = r[1:]
	}
	return r, true
}

// pictographs are the blocks that hold the characters of property Extended_Pictographic, as ranges.
var pictographs = [...][2]rune{
	{0xa9, 0xa9}, {0xae, 0xae}, {0x203c, 0x203c}, {0x2049, 0x2049}, {0x2122, 0x2122}, {0x2139, 0x2139},
	{0x2194, 0x2199}, {0x21a9, 0x21aa}, {0x231a, 0x231b}, {0x2328, 0x2328}, {0x2388, 0x2388}, {0x23cf, 0x23cf},
	{0x23e9, 0x23f3}, {0x23f8, 0x23fa}, {0x24c2, 0x24c2}, {0x25aa, 0x25ab}, {0x25b6, 0x25b6}, {0x25c0, 0x25c0},
	{0x25fb, 0x25fe}, {0x2600, 0x2605}, {0x2607, 0x2612}, {0x2614, 0x2685}, {0x2690, 0x2705}, {0x2708, 0x2712},
	{0x2714, 0x2714}, {0x2716, 0x2716}, {0x271d, 0x271d}, {0x2721, 0x2721}, {0x2728, 0x2728}, {0x2733, 0x2734},
	{0x2744, 0x2744}, {0x2747, 0x2747}, {0x274c, 0x274c}, {0x274e, 0x274e}, {0x2753, 0x2755}, {0x2757, 0x2757},
	{0x2763, 0x2767}, {0x2795, 0x2797}, {0x27a1, 0x27a1}, {0x27b0, 0x27b0}, {0x27bf, 0x27bf}, {0x2934, 0x2935},
	{0x2b05, 0x2b07}, {0x2b1b, 0x2b1c}, {0x2b50, 0x2b50}, {0x2b55, 0x2b55}, {0x3030, 0x3030}, {0x303d, 0x303d},
	{0x3297, 0x3297}, {0x3299, 0x3299}, {0x1f000, 0x1f0ff}, {0x1f10d, 0x1f10f}, {0x1f12f, 0x1f12f}, {0x1f16c, 0x1f171},
	{0x1f17e, 0x1f17f}, {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a}, {0x1f1ad, 0x1f1e5}, {0x1f201, 0x1f20f},
	{0x1f21a, 0x1f21a}, {0x1f22f, 0x1f22f}, {0x1f232, 0x1f23a}, {0x1f23c, 0x1f23f}, {0x1f249, 0x1f3fa},
	{0x1f400, 0x1f53d}, {0x1f546, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f774, 0x1f77f}, {0x1f7d5, 0x1f7ff},
	{0x1f80c, 0x1f80f}, {0x1f848, 0x1f84f}, {0x1f85a, 0x1f85f}, {0x1f888, 0x1f88f}, {0x1f8ae, 0x1f8ff},
	{0x1f90c, 0x1f93a}, {0x1f93c, 0x1f945}, {0x1f947, 0x1faff}, {0x1fc00, 0x1fffd},
}

func pictograph(c rune) bool {
	for _, p := range pictographs {
		if c >= p[0] && c <= p[1] {
			return true
		}
	}
	return false
}
