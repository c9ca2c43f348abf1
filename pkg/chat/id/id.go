package id

import (
	"errors"
	"time"
)

// Sizes of the fields of an ID.
const (
	SlotBits = 13
	SeqBits  = 9
	// MaxSlot is the largest node slot.
	MaxSlot = 1<<SlotBits - 1
	// MaxSeq is the largest sequence number within one millisecond.
	MaxSeq = 1<<SeqBits - 1
	// EpochMillis is 2024-01-01T00:00:00Z in Unix milliseconds.
	EpochMillis = 1704067200000
	// MaxMillis is the largest count of milliseconds since the epoch that an id holds (year 2093).
	MaxMillis = 1<<41 - 1
	// TextLen is the length of the text form.
	TextLen = 13
)

// ID is a positive hybrid-logical-clock id.
type ID int64

// ErrMalformed is returned by Parse.
var ErrMalformed = errors.New("malformed id: want 13 characters of Crockford base32")

// Make packs the fields; millis count from 2024-01-01 UTC. Out-of-range fields are cut to their bits.
func Make(millis int64, slot, seq int) ID {
	return ID((millis&MaxMillis)<<(SlotBits+SeqBits) | int64(slot&MaxSlot)<<SeqBits | int64(seq&MaxSeq))
}

// At returns the smallest id of a moment; moments before the epoch give 0.
func At(t time.Time) ID { return AtMillis(t.UnixMilli()) }

// AtMillis returns the smallest id of a moment given in Unix milliseconds.
func AtMillis(unix int64) ID {
	ms := unix - EpochMillis
	if ms < 0 {
		return 0
	}
	if ms > MaxMillis {
		ms = MaxMillis
	}
	return ID(ms << (SlotBits + SeqBits))
}

// UnixMillis returns the id's time in Unix milliseconds.
func (i ID) UnixMillis() int64 { return int64(i)>>(SlotBits+SeqBits) + EpochMillis }

// Time returns the id's time.
func (i ID) Time() time.Time { return time.UnixMilli(i.UnixMillis()).UTC() }

// Slot returns the node slot.
func (i ID) Slot() int { return int(i>>SeqBits) & MaxSlot }

// Seq returns the sequence number within its millisecond.
func (i ID) Seq() int { return int(i) & MaxSeq }

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// AppendTo appends the text form.
func (i ID) AppendTo(dst []byte) []byte {
	var b [TextLen]byte
	v := uint64(i)
	for k := TextLen - 1; k >= 0; k-- {
		b[k] = alphabet[v&31]
		v >>= 5
	}
	return append(dst, b[:]...)
}

// String returns the text form.
func (i ID) String() string { return string(i.AppendTo(nil)) }

// Parse reads the text form; it accepts lower case, and refuses anything that is not exactly one non-negative id.
func Parse[T ~string | ~[]byte](s T) (ID, error) {
	if len(s) != TextLen {
		return 0, ErrMalformed
	}
	var v uint64
	for k := 0; k < TextLen; k++ {
		d := decode[s[k]]
		if d == 0xff || (k == 0 && d > 7) {
			return 0, ErrMalformed
		}
		v = v<<5 | uint64(d)
	}
	return ID(v), nil
}

var decode = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := 0; i < len(alphabet); i++ {
		c := alphabet[i]
		t[c] = byte(i)
		if c >= 'A' {
			t[c+'a'-'A'] = byte(i)
		}
	}
	return t
}()
