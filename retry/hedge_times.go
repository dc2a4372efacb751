package retry

import (
	"math"
	"math/bits"
	"sync"
	"time"
)

const (
	// generation is how many times one half of a histogram takes.
	generation = 256

	// enough is how many times a percentile needs.
	enough = 20

	// timesBuckets is how many buckets there are: up to 16 µs one for each
	// microsecond, beyond that eight for each power of two, up to 2^27 µs.
	timesBuckets = 200
)

// times is how long the recent calls of one key took, in a histogram on a
// logarithmic scale. There are two of them: when the newer one is full it
// becomes the older one, so that what is older still is forgotten.
type times struct {
	mu     sync.Mutex
	counts [2][timesBuckets]uint16
	totals [2]int
	newer  int // 0 or 1
}

// add notes one call.
func (t *times) add(d time.Duration) {
	b := bucketOf(d)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.totals[t.newer] == generation {
		t.newer = 1 - t.newer
		t.counts[t.newer], t.totals[t.newer] = [timesBuckets]uint16{}, 0
	}
	t.counts[t.newer][b]++
	t.totals[t.newer]++
}

// percentile returns the time within which the part p of the calls was over,
// and whether there were enough of them to tell.
func (t *times) percentile(p float64) (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	total := t.totals[0] + t.totals[1]
	if total < enough {
		return 0, false
	}
	left := int(math.Ceil(p * float64(total)))
	b := -1
	for left > 0 {
		b++
		left -= int(t.counts[0][b]) + int(t.counts[1][b])
	}
	return upperEnd(b), true
}

// bucketOf returns the bucket of d: beyond 16 µs, its four leading bits and
// their place.
func bucketOf(d time.Duration) int {
	micros := min(uint64(max(d, 0)/time.Microsecond), 1<<27-1)
	shift := max(bits.Len64(micros)-4, 0)
	return shift<<3 + int(micros>>shift) // #nosec G115 -- less than 16
}

// upperEnd returns the time that no time in bucket b reaches.
func upperEnd(b int) time.Duration {
	if b < 16 {
		return time.Duration(b+1) * time.Microsecond
	}
	shift := b>>3 - 1
	return time.Duration(b&7+8+1) << shift * time.Microsecond
}
