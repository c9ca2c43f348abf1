package service

import (
	"testing"
	"unicode/utf8"

	"github.com/murre-chat/murre/pkg/chat"
)

func FuzzIsEmoji(f *testing.F) {
	for _, s := range []string{"👍", "❤️", "👍🏽", "🇩🇪", "1️⃣", "👨‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "a", "", "\xff", "\u200d", "0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !isEmoji(s) {
			return
		}
		if len(s) > chat.MaxEmoji || !utf8.ValidString(s) || s == "" {
			t.Fatalf("%q is one emoji?", s)
		}
		if isEmoji(s + s) {
			t.Fatalf("%q twice is one emoji?", s)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add(formatCursor(place{last: 7}))
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseCursor(s)
		if err != nil || s == "" {
			return
		}
		again, err := parseCursor(formatCursor(p))
		if err != nil || again != p {
			t.Fatalf("%q: %+v, %v", s, again, err)
		}
	})
}
