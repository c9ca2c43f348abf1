package wsconn

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// TextFrame is payload as one complete, unmasked text frame, in a buffer of its own.
func TextFrame(payload []byte) []byte {
	frame := AppendHeader(make([]byte, 0, len(payload)+10), ws.OpText, len(payload))
	return append(frame, payload...)
}

// BinaryFrame is payload as one complete, unmasked binary frame, in a buffer of its own.
func BinaryFrame(payload []byte) []byte {
	frame := AppendHeader(make([]byte, 0, len(payload)+10), ws.OpBinary, len(payload))
	return append(frame, payload...)
}

// AppendHeader appends the header (2..10 bytes) of a final, unmasked frame with n bytes of payload.
func AppendHeader(dst []byte, op ws.OpCode, n int) []byte {
	dst = append(dst, 0x80|byte(op))
	switch {
	case n < 126:
		return append(dst, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
}

// Headroom is what SealText needs before the payload.
const Headroom = 10

// SealText makes a text frame of a buffer whose payload begins at Headroom, without copying: the header is written
// before the payload, and the frame, which shares the buffer, returned. For encoders that append.
func SealText(b []byte) []byte {
	var head [Headroom]byte
	header := AppendHeader(head[:0], ws.OpText, len(b)-Headroom)
	start := Headroom - len(header)
	copy(b[start:], header)
	return b[start:]
}
