package auth

import (
	"errors"
	"fmt"
	"time"
)

// The defaults of [CacheConfig].
const (
	DefaultTimeout       = 30 * time.Second
	DefaultMargin        = 10 * time.Second
	DefaultMinLifetime   = 5 * time.Second
	DefaultMinForced     = 10 * time.Second
	DefaultMinBackoff    = time.Second
	DefaultMaxBackoff    = time.Minute
	DefaultMaxRetryAfter = 10 * time.Minute
	DefaultPermanentFor  = time.Minute
)

// The early renewal by default: a fifth of the lifetime within these bounds.
const (
	minEarly = 30 * time.Second
	maxEarly = 5 * time.Minute
)

// CacheConfig says what a [Cache] does. Only Source is needed.
type CacheConfig struct {
	// Source is where tokens come from. It is asked by one goroutine at a time.
	Source Source

	// Timeout is the time that asking the Source may take, whoever waits for
	// it. 0 means [DefaultTimeout].
	Timeout time.Duration

	// Early is how long before a token expires it is renewed in the background,
	// at most half its lifetime. It is made up to a fifth shorter, at random,
	// so that replicas do not come all at once. 0 means a fifth of the lifetime, at
	// least 30 s and at most 5 min; a negative value means off.
	Early time.Duration

	// Margin is how long before it expires a token is not given out any more:
	// it has to arrive. It is a tenth of the lifetime at most.
	// 0 means [DefaultMargin]; a negative value means none.
	Margin time.Duration

	// DefaultLifetime is that of a token whose lifetime is not known. 0 means
	// that it is good until it is invalidated.
	DefaultLifetime time.Duration

	// MinLifetime is how long a token is given out at least, whatever is said
	// of its lifetime, so that a wrong clock or an odd answer does not make each
	// request ask for a token. 0 means [DefaultMinLifetime].
	MinLifetime time.Duration

	// MinForced is the least time between two tokens that are thrown away
	// because an API has refused them, so that one that answers each request
	// with a 401 does not make each ask for a token. 0 means
	// [DefaultMinForced]; a negative value means no such bound.
	MinForced time.Duration

	// MinBackoff and MaxBackoff bound the time in which the Source is not asked
	// again after a failure. It doubles with each failure, of which the second
	// half is random. 0 means [DefaultMinBackoff] and [DefaultMaxBackoff].
	MinBackoff, MaxBackoff time.Duration

	// MaxRetryAfter bounds how long the Source is not asked because an error's
	// RetryAfter says so. 0 means [DefaultMaxRetryAfter]; a negative value
	// means that it is ignored.
	MaxRetryAfter time.Duration

	// PermanentFor is the time in which the Source is not asked again after a
	// permanent failure. 0 means [DefaultPermanentFor].
	PermanentFor time.Duration

	// Hooks are told what happens.
	Hooks CacheHooks
}

// CacheHooks are told what happens to the token of a [Cache]. A nil func is not
// called. They run on the goroutine that asked the Source, after its outcome
// can be had, with no lock held. A panic in one is the error of those who wait.
type CacheHooks struct {
	// Fetched is called each time that the Source was asked.
	Fetched func(Fetch)
	// ReauthRequired is called once when the Source says [ErrReauthRequired],
	// and again only after it has given out a token, or after Reset.
	ReauthRequired func(error)
}

// Fetch is one question to a [Source].
type Fetch struct {
	// Took is how long it took.
	Took time.Duration
	// Err is what came of it: nil, or a [*TokenError].
	Err error
	// Renewal says that the token before was still good.
	Renewal bool
}

// check fills in the defaults, and joins one error for each field that is wrong.
func (c *CacheConfig) check() error {
	var errs []error
	if isNil(c.Source) {
		errs = append(errs, errors.New("auth: CacheConfig.Source is nil"))
	}
	for _, f := range []struct {
		name  string
		value *time.Duration
		unset time.Duration
		off   bool // negative means off
	}{
		{"Timeout", &c.Timeout, DefaultTimeout, false},
		{"Early", &c.Early, 0, true},
		{"Margin", &c.Margin, DefaultMargin, true},
		{"DefaultLifetime", &c.DefaultLifetime, 0, false},
		{"MinLifetime", &c.MinLifetime, DefaultMinLifetime, false},
		{"MinForced", &c.MinForced, DefaultMinForced, true},
		{"MinBackoff", &c.MinBackoff, DefaultMinBackoff, false},
		{"MaxBackoff", &c.MaxBackoff, max(DefaultMaxBackoff, c.MinBackoff), false},
		{"MaxRetryAfter", &c.MaxRetryAfter, DefaultMaxRetryAfter, true},
		{"PermanentFor", &c.PermanentFor, DefaultPermanentFor, false},
	} {
		switch {
		case *f.value == 0:
			*f.value = f.unset
		case *f.value < 0 && !f.off:
			errs = append(errs, fmt.Errorf("auth: CacheConfig.%s is %v: must not be negative", f.name, *f.value))
		case *f.value > maxLifetime:
			errs = append(errs, fmt.Errorf("auth: CacheConfig.%s is %v: must be at most %v", f.name, *f.value, maxLifetime))
		}
	}
	if c.MinBackoff > c.MaxBackoff {
		errs = append(errs, fmt.Errorf("auth: CacheConfig.MinBackoff is %v: must not exceed MaxBackoff, %v", c.MinBackoff, c.MaxBackoff))
	}
	return errors.Join(errs...)
}
