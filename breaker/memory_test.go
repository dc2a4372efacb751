//go:build !race

package breaker_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A key with a circuit and a limit takes at most 450 bytes, and one that has
// failed, but not so often that its circuit opened, not many more. The race
// detector adds some of its own.
func TestBytesPerKey(t *testing.T) {
	const keys = 1 << 16
	for name, most := range map[string]float64{
		"breaker":                  170,
		"breaker with one failure": 480,
		"breaker and limiter":      450,
	} {
		f := newFlood(t, keys)
		got := f.bytesPerKey(name)
		t.Logf("%s: %.0f bytes", name, got)
		require.LessOrEqual(t, got, most, name)
	}
}
