package media

import (
	"bufio"
	"encoding/binary"
	"io"
)

// orientation returns the EXIF orientation (1..8) of a JPEG, 1 when there is none or it can't be read.
func orientation(r io.Reader) int {
	br := bufio.NewReader(r)
	var b [4]byte
	if _, err := io.ReadFull(br, b[:2]); err != nil || b[0] != 0xff || b[1] != 0xd8 {
		return 1
	}
	// Segments before the picture itself; EXIF is among the first.
	for range 32 {
		if _, err := io.ReadFull(br, b[:]); err != nil || b[0] != 0xff {
			return 1
		}
		n := int(binary.BigEndian.Uint16(b[2:])) - 2
		if n < 0 || b[1] == 0xda {
			return 1
		}
		if b[1] != 0xe1 {
			if _, err := br.Discard(n); err != nil {
				return 1
			}
			continue
		}
		seg := make([]byte, n)
		if _, err := io.ReadFull(br, seg); err != nil {
			return 1
		}
		if o := exifOrientation(seg); o != 0 {
			return o
		}
	}
	return 1
}

// exifOrientation finds tag 0x0112 in the first directory of an APP1 segment; 0 when it isn't there.
func exifOrientation(seg []byte) int {
	if len(seg) < 14 || string(seg[:6]) != "Exif\x00\x00" {
		return 0
	}
	t := seg[6:]
	var o binary.ByteOrder
	switch string(t[:2]) {
	case "II":
		o = binary.LittleEndian
	case "MM":
		o = binary.BigEndian
	default:
		return 0
	}
	at := int64(o.Uint32(t[4:]))
	if at+2 > int64(len(t)) {
		return 0
	}
	n := int64(o.Uint16(t[at:]))
	for i := range n {
		e := at + 2 + 12*i
		if e+12 > int64(len(t)) {
			return 0
		}
		if o.Uint16(t[e:]) == 0x0112 {
			if v := int(o.Uint16(t[e+8:])); v >= 1 && v <= 8 {
				return v
			}
			return 0
		}
	}
	return 0
}
