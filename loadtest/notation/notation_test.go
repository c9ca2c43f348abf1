package notation

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestText: values as they are written.
func TestText(t *testing.T) {
	for _, c := range []struct {
		u    Unit
		v    float64
		want string
	}{
		{Plain, 0, "0"}, {Plain, 1234, "1234"}, {Plain, 12_345, "12.3k"}, {Plain, 1_000_000, "1M"}, {Rate, 2.5, "2.5/s"}, {Rate, 2e9, "2G/s"},
		{Millis, 0.0123, "0.0123 ms"}, {Millis, 61.24, "61.2 ms"}, {Millis, 1500, "1.5 s"}, {Size, 1536, "1.5 KiB"}, {Size, 20 << 30, "20 GiB"}, {Cores, 1.234, "1.23"},
	} {
		require.Equal(t, c.want, c.u.Text(c.v))
	}
	require.Equal(t, "1,234,568", Whole(1234567.8))
	require.Equal(t, "−1,000", Whole(-1000))
	require.Equal(t, "1:01:01", Clock(3661))
	require.Equal(t, "1.5 s", Lasting(1.5))
	require.Equal(t, "20 min", Lasting(1200))
	require.Equal(t, "2 h 5 min", Lasting(7500))
	require.Equal(t, "–", Rate.Text(math.NaN()))
	require.Equal(t, "0:00", Clock(math.NaN()))
}
