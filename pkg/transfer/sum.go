package transfer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
)

// Sum is a digest of a set of rows that doesn't depend on their order: the SHA-256 of each, added up modulo 2^256. So it can be
// taken by many workers, and go on after a stop.
type Sum [4]uint64

// Row adds a row's bytes.
func (s *Sum) Row(b []byte) {
	h := sha256.Sum256(b)
	var o Sum
	for i := range o {
		o[i] = binary.BigEndian.Uint64(h[8*i:])
	}
	s.Add(o)
}

// Add adds the rows of another sum.
func (s *Sum) Add(o Sum) {
	var carry uint64
	for i := len(s) - 1; i >= 0; i-- {
		s[i], carry = bits.Add64(s[i], o[i], carry)
	}
}

// String returns 64 hexadecimal digits.
func (s Sum) String() string {
	var b [32]byte
	for i, v := range s {
		binary.BigEndian.PutUint64(b[8*i:], v)
	}
	return hex.EncodeToString(b[:])
}

// MarshalText implements encoding.TextMarshaler.
func (s Sum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Sum) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != 32 {
		return fmt.Errorf("digest %q: want 64 hexadecimal digits", text)
	}
	for i := range s {
		s[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	return nil
}
