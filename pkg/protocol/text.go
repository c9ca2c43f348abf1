package protocol

import (
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// hex4 reads the four digits of a \u escape, -1 when they are none. b has at least four bytes.
func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// unescapedLen returns how many bytes the inside of a string has once its escapes are resolved; false when an escaped
// surrogate lacks its pair. The escapes themselves have been checked by scanString.
func unescapedLen(raw []byte) (int, bool) {
	n := 0
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			i, n = i+1, n+1
			continue
		}
		if raw[i+1] != 'u' {
			i, n = i+2, n+1
			continue
		}
		r := hex4(raw[i+2:])
		i += 6
		if utf16.IsSurrogate(r) {
			if len(raw)-i < 6 || raw[i] != '\\' || raw[i+1] != 'u' {
				return 0, false
			}
			if r = utf16.DecodeRune(r, hex4(raw[i+2:])); r == utf8.RuneError {
				return 0, false
			}
			i += 6
		}
		n += utf8.RuneLen(r)
	}
	return n, true
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape resolves the escapes of raw into dst, which has exactly unescapedLen(raw) bytes.
func unescape(dst, raw []byte) {
	n := 0
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			dst[n] = raw[i]
			i, n = i+1, n+1
			continue
		}
		if raw[i+1] != 'u' {
			dst[n] = escapes[raw[i+1]]
			i, n = i+2, n+1
			continue
		}
		r := hex4(raw[i+2:])
		i += 6
		if utf16.IsSurrogate(r) {
			r = utf16.DecodeRune(r, hex4(raw[i+2:]))
			i += 6
		}
		n += utf8.EncodeRune(dst[n:], r)
	}
}

// text returns a string value as a string of its own, in one allocation; false for an unpaired surrogate.
func text(data []byte, v value) (string, bool) {
	raw := data[v.start:v.end]
	if !v.escaped {
		return string(raw), true
	}
	n, ok := unescapedLen(raw)
	if !ok || n == 0 {
		return "", ok
	}
	b := make([]byte, n)
	unescape(b, raw)
	return unsafe.String(&b[0], n), true // b is written by nobody any more
}

// short returns a string value as bytes for parsing; escaped ones that fit are decoded into scratch, nil otherwise.
func short(data []byte, v value, scratch []byte) []byte {
	raw := data[v.start:v.end]
	if !v.escaped {
		return raw
	}
	n, ok := unescapedLen(raw)
	if !ok || n > len(scratch) {
		return nil
	}
	unescape(scratch[:n], raw)
	return scratch[:n]
}
