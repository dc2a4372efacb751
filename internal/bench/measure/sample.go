package measure

import (
	"runtime"
	"time"
)

// Work does something n times.
type Work func(n int) error

// Sample is what one slice of work cost, for each time it was done.
type Sample struct {
	Nanos  float64
	Allocs uint64 // rounded down, as package testing does
	Bytes  uint64 // rounded down, as package testing does
}

// Take does work n times, n being positive, and measures it. The heap is
// collected before, so that nobody pays for another's garbage. Allocations of
// other goroutines count too.
func Take(work Work, n int) (Sample, error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := work(n)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	times := uint64(n) // #nosec G115 -- positive
	return Sample{
		Nanos:  float64(took) / float64(n),
		Allocs: (after.Mallocs - before.Mallocs) / times,
		Bytes:  (after.TotalAlloc - before.TotalAlloc) / times,
	}, err
}

// calibrate returns how often work can be done in a slice, at least once. It
// warms up whatever work keeps. What is slow once may have been so because the
// machine was busy, so it is measured again: with too few a round measures
// little but its own beginning.
func calibrate(work Work, slice time.Duration) (int, error) {
	slow := false
	for n := 1; ; {
		s, err := Take(work, n)
		if err != nil {
			return 0, err
		}
		switch took := s.Nanos * float64(n); {
		case took < float64(slice)/2:
			n *= 2
			slow = false
		case !slow:
			slow = true
		default:
			return max(1, int(float64(slice)/s.Nanos)), nil
		}
	}
}
