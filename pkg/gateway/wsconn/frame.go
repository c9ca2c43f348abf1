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
