package httpapi

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

var (
	errUTF8      = errors.New("not valid UTF-8")
	errSurrogate = errors.New("a string has half of a surrogate pair")
)

// readJSON decodes a body. What encoding/json would silently replace is refused, so that text is kept exactly.
func readJSON(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errUTF8
	}
	if loneSurrogate(data) {
		return errSurrogate
	}
	return json.Unmarshal(data, v)
}

// loneSurrogate reports whether an escape \uD800..\uDFFF stands without its other half. Backslashes occur only in
// strings, so the text needn't be parsed; what is no JSON at all is found by the decoder.
func loneSurrogate(b []byte) bool {
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		i++
		if i >= len(b) || b[i] != 'u' {
			continue
		}
		u, ok := hex4(b, i+1)
		if !ok {
			continue
		}
		i += 4
		switch {
		case u >= 0xdc00 && u <= 0xdfff:
			return true
		case u >= 0xd800 && u <= 0xdbff:
			if i+2 >= len(b) || b[i+1] != '\\' || b[i+2] != 'u' {
				return true
			}
			if low, ok := hex4(b, i+3); !ok || low < 0xdc00 || low > 0xdfff {
				return true
			}
			i += 6
		}
	}
	return false
}

func hex4(b []byte, at int) (rune, bool) {
	if at+4 > len(b) {
		return 0, false
	}
	var v rune
	for _, c := range b[at : at+4] {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			v = v<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return v, true
}
