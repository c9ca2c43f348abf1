package rediscluster

import (
	"strconv"
	"strings"
)

const (
	slots   = 16384
	regions = 16 // of slots, with one canary each
)

// Slot returns the hash slot of a key: CRC16 (XMODEM) of the key, or of what stands between its first braces.
func Slot(key string) int {
	if i := strings.IndexByte(key, '{'); i >= 0 {
		if n := strings.IndexByte(key[i+1:], '}'); n > 0 {
			key = key[i+1 : i+1+n]
		}
	}
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % slots
}

// canaries returns one key in each region of the slots.
func canaries(prefix string) [regions]string {
	var keys [regions]string
	for n, found := 0, 0; found < regions; n++ {
		key := prefix + "canary:{" + strconv.Itoa(n) + "}"
		if r := Slot(key) * regions / slots; keys[r] == "" {
			keys[r] = key
			found++
		}
	}
	return keys
}
