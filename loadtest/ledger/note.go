package ledger

import (
	"hash/crc32"
	"strconv"
	"strings"
)

// Note is what a message says about itself.
type Note struct {
	Conversation int
	Sender       int
	Number       uint32 // among the sender's messages to the conversation, from 1
	Barrier      uint32 // the sender's messages up to this number were acked before this one was made
	Due          int64  // Unix µs on the controller's clock
}

const (
	prefix  = "load:"
	filler  = "the quick brown fox jumps over the lazy dog and comes back to where it began, as foxes do; "
	crcSize = 8
)

// MinText is the shortest text that holds any note, bytes.
const MinText = 80

// AppendText appends a text of about so many bytes that carries the note and a sum over all of it.
func (n Note) AppendText(dst []byte, size int) []byte {
	at := len(dst)
	dst = append(dst, prefix...)
	for _, v := range [...]uint64{uint64(n.Conversation), uint64(n.Sender), uint64(n.Number), uint64(n.Barrier), uint64(n.Due)} {
		dst = append(strconv.AppendUint(dst, v, 16), ':')
	}
	for room := size - (len(dst) - at) - crcSize; room > 0; room = size - (len(dst) - at) - crcSize {
		dst = append(dst, filler[:min(room, len(filler))]...)
	}
	sum := crc32.ChecksumIEEE(dst[at:])
	const digits = "0123456789abcdef"
	for shift := 28; shift >= 0; shift -= 4 {
		dst = append(dst, digits[sum>>shift&15])
	}
	return dst
}

// ParseText reads the note of a text; false when it holds none or was changed.
func ParseText(text string) (Note, bool) {
	if len(text) < len(prefix)+crcSize || !strings.HasPrefix(text, prefix) {
		return Note{}, false
	}
	body, want := text[:len(text)-crcSize], text[len(text)-crcSize:]
	sum, err := strconv.ParseUint(want, 16, 32)
	if err != nil || crc32.ChecksumIEEE([]byte(body)) != uint32(sum) {
		return Note{}, false
	}
	var v [5]uint64
	rest := body[len(prefix):]
	for i := range v {
		word, after, ok := strings.Cut(rest, ":")
		if !ok {
			return Note{}, false
		}
		if v[i], err = strconv.ParseUint(word, 16, 63); err != nil {
			return Note{}, false
		}
		rest = after
	}
	return Note{int(v[0]), int(v[1]), uint32(v[2]), uint32(v[3]), int64(v[4])}, true
}
