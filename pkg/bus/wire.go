package bus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/session"
)

// WireVersion is the first byte of every encoded batch. A reader refuses other versions: what it can't read it finds in
// the log. A change to what a batch looks like takes a new version, and the golden file shows it.
const WireVersion = 1

var (
	// ErrWireVersion: the batch was written by a version that this one doesn't know.
	ErrWireVersion = errors.New("bus: unknown wire version")
	// ErrWireMalformed: the bytes are no batch.
	ErrWireMalformed = errors.New("bus: malformed batch")
)

// A batch is the version byte, then its envelopes up to the end. An envelope is a byte of flags, the sender unless it is
// the same as the one before, the sequence number and the push. Numbers are varints, ids fixed bytes, text is its
// length and its bytes; a part that is zero takes a bit only.
const (
	envFrom = 1 << iota
	envPush
)

// Bits of a push.
const (
	pushExcept = 1 << iota
	pushOnly
	pushChannel
	pushEvent
	pushMessage
	pushReaction
	pushConversation
	pushStatus
	pushTyping
	pushPresence
	pushControl
)

// Encoder encodes envelopes of one batch. The zero value is ready; Reset begins the next batch in the same memory.
type Encoder struct {
	buf  []byte
	last session.GatewayID
	n    int
}

// Reset begins a batch; the memory of the last one is used again, so what Bytes returned is no longer valid.
func (e *Encoder) Reset() { e.buf, e.last, e.n = e.buf[:0], session.GatewayID{}, 0 }

// Len is the number of bytes so far; 0 before the first envelope.
func (e *Encoder) Len() int { return len(e.buf) }

// Bytes returns the batch, valid until the next Reset or Add.
func (e *Encoder) Bytes() []byte { return e.buf }

// Add appends one envelope.
func (e *Encoder) Add(env Envelope) {
	if len(e.buf) == 0 {
		e.buf = append(e.buf, WireVersion)
	}
	flags := byte(0)
	if e.n == 0 || env.From != e.last {
		flags |= envFrom
	}
	if env.Push != nil {
		flags |= envPush
	}
	b := append(e.buf, flags)
	if flags&envFrom != 0 {
		b = appendText(b, env.From.Name)
		b = binary.AppendVarint(b, env.From.Epoch)
	}
	b = binary.AppendUvarint(b, env.Seq)
	if env.Push != nil {
		b = appendPush(b, env.Push)
	}
	e.buf, e.last, e.n = b, env.From, e.n+1
}

// AppendEnvelopes appends one batch of envelopes to dst.
func AppendEnvelopes(dst []byte, batch []Envelope) []byte {
	e := Encoder{}
	for _, env := range batch {
		e.Add(env)
	}
	if e.n == 0 {
		return append(dst, WireVersion)
	}
	return append(dst, e.buf...)
}

// DecodeEnvelopes reads a batch. The envelopes share nothing with b. It allocates in proportion to len(b), whatever the
// batch declares. Errors: ErrWireVersion, ErrWireMalformed; then no envelope is returned.
func DecodeEnvelopes(b string) ([]Envelope, error) {
	if b == "" {
		return nil, ErrWireMalformed
	}
	if b[0] != WireVersion {
		return nil, fmt.Errorf("%w %d", ErrWireVersion, b[0])
	}
	d := decoder{b: b[1:]}
	var out []Envelope
	var from session.GatewayID
	for len(d.b) > 0 {
		flags := d.byte()
		if flags&^(envFrom|envPush) != 0 || (len(out) == 0 && flags&envFrom == 0) {
			return nil, ErrWireMalformed
		}
		if flags&envFrom != 0 {
			from = session.GatewayID{Name: d.text(), Epoch: d.varint()}
		}
		env := Envelope{From: from, Seq: d.uvarint()}
		if flags&envPush != 0 {
			env.Push = d.push()
		}
		if d.bad {
			return nil, ErrWireMalformed
		}
		out = append(out, env)
	}
	return out, nil
}

func bit[T ~uint8 | ~uint16 | ~uint32](on bool, b T) T {
	if on {
		return b
	}
	return 0
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendID[K any](b []byte, v chat.ID[K]) []byte { return append(b, v[:]...) }

func appendClock[T ~int64](b []byte, v T) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

// decoder reads from a string; after the first thing that isn't there it is bad and everything reads as zero.
type decoder struct {
	b   string
	bad bool
}

func (d *decoder) fail() { d.bad, d.b = true, "" }

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) uvarint() uint64 {
	var v uint64
	for shift := uint(0); shift < 64; shift += 7 {
		c := d.byte()
		if shift == 63 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	d.fail()
	return 0
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// take returns the next n bytes, which share the input's memory.
func (d *decoder) take(n uint64) string {
	if n > uint64(len(d.b)) {
		d.fail()
		return ""
	}
	s := d.b[:n]
	d.b = d.b[n:]
	return s
}

// text copies, so that a short text doesn't keep a whole batch in memory.
func (d *decoder) text() string { return strings.Clone(d.take(d.uvarint())) }

// count reads the number of things that follow, each of at least size bytes.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.b)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) flags() uint32 {
	v := d.uvarint()
	if v > 1<<32-1 {
		d.fail()
	}
	return uint32(v)
}

func clock[T ~int64](d *decoder) T {
	s := d.take(8)
	if len(s) < 8 {
		return 0
	}
	var v uint64
	for i := range 8 {
		v = v<<8 | uint64(s[i])
	}
	return T(v)
}

func clockIf[T ~int64](d *decoder, on bool) T {
	if on {
		return clock[T](d)
	}
	return 0
}
