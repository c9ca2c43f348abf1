package worker

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// TestSeatIsSmall: a million of them are 300 MB.
func TestSeatIsSmall(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(seat{}), uintptr(304))
	require.LessOrEqual(t, unsafe.Sizeof(timer{}), uintptr(32))
}
