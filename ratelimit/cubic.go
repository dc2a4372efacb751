package ratelimit

import (
	"math"
	"time"
)

// The constants of the adaptive rate, from the file aws/retry/adaptive_ratelimit.go
// of aws-sdk-go-v2.
const (
	cubicSmooth  = 0.8 // weight of the newest measurement
	cubicCut     = 0.7 // of the rate, on a throttle
	cubicScale   = 0.4 // how steeply the rate grows
	cubicLeast   = 0.5 // calls per second
	cubicGain    = 2   // the most that the rate may be of the one measured
	cubicMeasure = 500 * time.Millisecond
)

// cubic finds the rate that a server takes: CUBIC, as in TCP (RFC 9438). It
// cuts the rate on a throttle, grows fast towards the rate of that time, slowly
// near it, and then fast again. It does nothing until the first throttle. It is
// a pure core: it knows no clock and no lock.
//
// In one thing it departs from its source: a throttle of a call that was sent
// before the last cut does not cut again. Else the twenty calls under way when
// the limit was reached would cut the rate by 0.7^20.
type cubic struct {
	most     float64 // 0 means no limit
	enabled  bool
	rate     float64 // calls per second; only if enabled
	peak     float64 // the rate at the last cut
	cut      time.Duration
	begun    time.Duration // of the present measurement
	answers  int           // in it
	measured float64       // calls per second, smoothed
}

func newCubic(most float64) *cubic { return &cubic{most: most} }

// observe takes notice of the answer to a call that began at the time began. It
// reports whether the rate counts.
func (c *cubic) observe(now, began time.Duration, throttled bool) bool {
	measured := c.measure(now)
	var rate float64
	switch {
	case throttled && c.enabled && began < c.cut:
		return true
	case throttled:
		c.peak = measured
		if c.enabled {
			c.peak = min(measured, c.rate)
		}
		c.enabled, c.cut = true, now
		rate = c.peak * cubicCut
	case !c.enabled:
		return false
	default:
		plateau := math.Cbrt(c.peak * (1 - cubicCut) / cubicScale)
		rate = c.peak + cubicScale*math.Pow((now-c.cut).Seconds()-plateau, 3)
	}
	rate = max(min(rate, cubicGain*measured), cubicLeast)
	if c.most > 0 {
		rate = min(rate, c.most)
	}
	c.rate = rate
	return true
}

// measure counts an answer and returns the rate of answers.
func (c *cubic) measure(now time.Duration) float64 {
	c.answers++
	if now-c.begun < cubicMeasure {
		if c.measured == 0 { // nothing better is known yet
			return float64(c.answers) / cubicMeasure.Seconds()
		}
		return c.measured
	}
	newest := float64(c.answers) / (now - c.begun).Seconds()
	if c.measured == 0 {
		c.measured = newest
	}
	c.measured = cubicSmooth*newest + (1-cubicSmooth)*c.measured
	c.begun, c.answers = now, 0
	return c.measured
}
