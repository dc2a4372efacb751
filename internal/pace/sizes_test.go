package pace_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/pace"
)

// TestAnySize draws limits from 50 to 1000, windows from 10 s to an hour and
// ways of up to a fiftieth of the window, and sends through four windows.
func TestAnySize(t *testing.T) {
	t.Parallel()
	servers := []struct {
		name string
		new  func(size) server
	}{
		{"fixed", newFixed},
		{"sliding", newSliding},
		{"sliding, window known", newSlidingNamed},
		{"sliding, oldest", newSlidingOldest},
		{"sliding, IETF draft 10", newSlidingDraft},
		{"sliding, two counters", newWeighted},
		{"bucket", newBucket},
		{"bucket, rate known", newBucketRated},
		{"GCRA", newGCRA},
	}
	random := rand.New(rand.NewPCG(1, 2))
	between := func(least, most float64) float64 {
		return least * math.Pow(most/least, random.Float64())
	}
	for range 6 {
		size := size{
			limit:  math.Round(between(50, 1000)),
			period: time.Duration(between(10, 3600)) * sec,
		}
		most := min(time.Duration(between(0.001, 0.02)*float64(size.period)), 2*sec)
		for _, s := range servers {
			sim := scenario{
				server: s.new, size: size, strategy: pacer(t, pace.Spread),
				least: most / 20, most: most, lasts: 4 * size.period, worlds: 2,
			}
			alone := sim.run()
			sim.others = 0.3 * size.perSecond()
			shared := sim.run()
			all := 4 * size.limit
			t.Logf("%-22s %4.0f in %7v, ways of %-12v | %5.1f%% / %4.1f | with another %5.1f%% / %4.1f / %5.1f%%",
				s.name, size.limit, size.period, most, 100*alone.ok/all, alone.refused,
				100*(shared.ok+shared.got)/all, shared.refused, 100*shared.got/shared.wanted)
			require.LessOrEqual(t, alone.refused, 0.01*alone.ok, s.name)
			// What is on its way, and one unit, can't be told from what is gone.
			onTheWay := 1 + size.perSecond()*most.Seconds()
			require.GreaterOrEqual(t, alone.ok/all, 0.95-onTheWay/size.limit, s.name)
			require.GreaterOrEqual(t, shared.got, 0.9*shared.wanted, s.name)
		}
	}
}
