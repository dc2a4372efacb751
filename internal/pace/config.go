package pace

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Mode is how a Pacer spends what is free in a window.
type Mode uint8

const (
	// Spread sends evenly until the reset, so that others on the same quota
	// find something left at any time.
	Spread Mode = iota
	// Burst spends what is free as fast as it can, and then waits.
	Burst
	// Threshold does as Burst until less than a fifth of the limit remains, and
	// then as Spread.
	Threshold
)

// The defaults of [Config].
const (
	DefaultGuard        = time.Second
	DefaultMaxWait      = 10 * time.Minute
	DefaultProbeTimeout = 2 * time.Second
	DefaultBackoff      = time.Second
)

// Config says how to pace. The zero value spreads, keeps nothing back and has
// no rate of its own.
type Config struct {
	// Mode is how free requests are spent.
	Mode Mode

	// Reserve is the share of each limit that only interactive requests may
	// use, from 0 to below 1.
	Reserve float64

	// Rate is the most requests per second that any plan allows, whatever the
	// server says. 0 means no such cap.
	Rate float64

	// Guard is how far a reset in whole seconds may be from the truth; it is a
	// quarter of that for one with a fraction. 0 means [DefaultGuard].
	Guard time.Duration

	// MaxWait is the longest that anything the server says keeps a bucket
	// quiet. After that one request goes and asks. 0 means [DefaultMaxWait].
	MaxWait time.Duration

	// ProbeTimeout is how long the others wait for the answer to the first
	// request of a bucket of which nothing is known. After each such time
	// without an answer twice as many may be on their way. 0 means
	// [DefaultProbeTimeout].
	ProbeTimeout time.Duration

	// Backoff is the upper end of the first pause after a throttle that does
	// not say how long. It doubles with each throttle in a row, up to MaxWait.
	// 0 means [DefaultBackoff].
	Backoff time.Duration

	// Jitter returns a number from 0 to below 1. nil means a random one. It is
	// called while the caller holds the lock of the bucket, so it must be fast
	// and must not call back.
	Jitter func() float64
}

// Rules is a checked Config that any number of Pacers share. It does not change.
type Rules struct{ config Config }

// NewRules checks c. Its error joins one error for each field that is wrong.
func NewRules(c Config) (*Rules, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Rate == 0 {
		c.Rate = math.Inf(1)
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	for _, d := range []struct {
		field    *time.Duration
		fallback time.Duration
	}{
		{&c.Guard, DefaultGuard},
		{&c.MaxWait, DefaultMaxWait},
		{&c.ProbeTimeout, DefaultProbeTimeout},
		{&c.Backoff, DefaultBackoff},
	} {
		if *d.field == 0 {
			*d.field = d.fallback
		}
	}
	c.ProbeTimeout = min(c.ProbeTimeout, c.MaxWait)
	return &Rules{c}, nil
}

func (c *Config) check() error {
	var errs []error
	wrong := func(bad bool, field string, value any, reason string) {
		if bad {
			errs = append(errs, fmt.Errorf("pace: Config.%s is %v: %s", field, value, reason))
		}
	}
	const span = "must be between 0 and a year"
	wrong(c.Mode > Threshold, "Mode", c.Mode, "must be Spread, Burst or Threshold")
	wrong(!(c.Reserve >= 0 && c.Reserve < 1), "Reserve", c.Reserve, "must be at least 0 and below 1")
	wrong(!(c.Rate >= 0), "Rate", c.Rate, "must be a number that is not negative")
	wrong(c.Guard < 0 || c.Guard > year, "Guard", c.Guard, span)
	wrong(c.MaxWait < 0 || c.MaxWait > year, "MaxWait", c.MaxWait, span)
	wrong(c.ProbeTimeout < 0 || c.ProbeTimeout > year, "ProbeTimeout", c.ProbeTimeout, span)
	wrong(c.Backoff < 0 || c.Backoff > year, "Backoff", c.Backoff, span)
	return errors.Join(errs...)
}
