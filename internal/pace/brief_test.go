package pace_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pace"
)

// A window of a second or some, of which resets are told in whole seconds, is used
// nonetheless.
func TestBriefWindowsAreUsed(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		name string
		new  func(size) server
		used float64
	}{
		{"fixed", newFixed, 0.9},
		{"sliding", newSliding, 0.8},
		{"sliding, window known", newSlidingNamed, 0.8},
		{"sliding, oldest", newSlidingOldest, 0.8},
		{"sliding, two counters", newWeighted, 0.55},
		{"bucket", newBucket, 0.95},
		{"bucket, rate known", newBucketRated, 0.95},
		{"GCRA", newGCRA, 0.9},
	} {
		for _, period := range []time.Duration{sec, 2 * sec, 4 * sec} {
			for _, perSecond := range []float64{10, 50} {
				size := size{perSecond * period.Seconds(), period}
				for mode, name := range []string{"Spread", "Burst", "Threshold"} {
					r := scenario{
						server: s.new, size: size, strategy: pacer(t, pace.Mode(mode)),
						least: 10 * ms, most: 40 * ms, lasts: 2 * time.Minute, worlds: 2,
					}.run()
					used := r.ok / (120 * perSecond)
					t.Logf("%-21s %3.0f in %v, %-9s | %5.1f%% / %5.1f", s.name, size.limit, period, name, 100*used, r.refused)
					require.GreaterOrEqual(t, used, s.used, s.name)
				}
			}
		}
	}
}
