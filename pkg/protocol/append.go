package protocol

import (
	"strconv"
	"unicode/utf8"

	"github.com/murre-chat/murre/pkg/chat"
)

// plain marks the ASCII characters that stand for themselves in a JSON string.
var plain = func() (t [utf8.RuneSelf]bool) {
	for c := range t {
		t[c] = c >= 0x20 && c != '"' && c != '\\'
	}
	return t
}()

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		// Eight plain ASCII bytes at a time; the last step of a run goes byte by byte.
		for ; i+8 <= len(s); i += 8 {
			w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
				uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
			q, b := w^ones*'"', w^ones*'\\'
			if (w|(q-ones)|(b-ones)|(w-ones*0x20))&highs != 0 {
				break
			}
		}
		if i == len(s) {
			break
		}
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		if plain[c] {
			i++
			continue
		}
		dst = appendEscape(append(dst, s[start:i]...), c)
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// AppendTime appends a time given in Unix milliseconds as RFC 3339 UTC with milliseconds, without quotes. Years outside
// 0 to 9999 are clamped: the form has four digits.
func AppendTime(dst []byte, unixMilli int64) []byte {
	const lo, hi = -62167219200000, 253402300799999
	unixMilli = min(max(unixMilli, lo), hi)
	days, ms := unixMilli/86400000, unixMilli%86400000
	if ms < 0 {
		days, ms = days-1, ms+86400000
	}
	// Howard Hinnant's civil_from_days: eras of 400 years that start on 1 March.
	z := days + 719468
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day, month, year := int(doy-(153*mp+2)/5+1), int(mp+3), int(yoe+era*400)
	if month > 12 {
		month, year = month-12, year+1
	}
	s := int(ms / 1000)
	var b [24]byte
	put2(b[0:], year/100)
	put2(b[2:], year%100)
	b[4] = '-'
	put2(b[5:], month)
	b[7] = '-'
	put2(b[8:], day)
	b[10] = 'T'
	put2(b[11:], s/3600)
	b[13] = ':'
	put2(b[14:], s/60%60)
	b[16] = ':'
	put2(b[17:], s%60)
	b[19] = '.'
	f := int(ms % 1000)
	b[20] = byte('0' + f/100)
	put2(b[21:], f%100)
	b[23] = 'Z'
	return append(dst, b[:]...)
}

func put2(b []byte, n int) { b[0], b[1] = byte('0'+n/10), byte('0'+n%10) }

// The members of an object, each with its name and a leading comma in key, such as `,"userId":`.

func appendStr(dst []byte, key, s string) []byte { return AppendString(append(dst, key...), s) }

// appendRaw is for strings of our own that need no escape.
func appendRaw(dst []byte, key, s string) []byte {
	return append(append(append(append(dst, key...), '"'), s...), '"')
}

func appendUUID[K any](dst []byte, key string, u chat.ID[K]) []byte {
	return append(u.AppendTo(append(append(dst, key...), '"')), '"')
}

func appendMessageID(dst []byte, key string, m chat.MessageID) []byte {
	return append(m.AppendTo(append(append(dst, key...), '"')), '"')
}

func appendEventID(dst []byte, key string, e chat.EventID) []byte {
	return append(e.AppendTo(append(append(dst, key...), '"')), '"')
}

func appendMillis(dst []byte, key string, ms int64) []byte {
	return append(AppendTime(append(append(dst, key...), '"'), ms), '"')
}

func appendInt(dst []byte, key string, n int64) []byte {
	return strconv.AppendInt(append(dst, key...), n, 10)
}

func appendBool(dst []byte, key string, b bool) []byte {
	return strconv.AppendBool(append(dst, key...), b)
}
