package redislimit

import "time"

// leaseFor is how much time a lease is meant to serve, and how long it stays
// of use after the date of its last slot.
const leaseFor = 200 * time.Millisecond

// demand counts the requests of the last leaseFor, near enough: of the stretch
// before the present one it takes the part that still lies within.
type demand struct {
	stretch           int64
	current, previous int
}

func (d *demand) roll(now time.Duration) {
	stretch := int64(now / leaseFor)
	if stretch == d.stretch {
		return
	}
	d.previous = 0
	if stretch == d.stretch+1 {
		d.previous = d.current
	}
	d.stretch, d.current = stretch, 0
}

func (d *demand) add(now time.Duration) {
	d.roll(now)
	d.current++
}

func (d *demand) recent(now time.Duration) int {
	d.roll(now)
	left := leaseFor - now%leaseFor
	return d.current + int(float64(d.previous)*float64(left)/float64(leaseFor)+0.5)
}
