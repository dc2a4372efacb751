package redislimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"
)

// The defaults of [Config].
const (
	DefaultPrefix        = "holdfast"
	DefaultMaxQueue      = 10_000
	DefaultMaxRetryAfter = 10 * time.Minute
	DefaultTimeout       = 50 * time.Millisecond
	DefaultProbe         = time.Second
	DefaultMaxKeys       = 10_000
	DefaultIdleTimeout   = 10 * time.Minute
)

const (
	// maxRate is a slot per microsecond, the grain of Redis' clock.
	maxRate = 1e6
	// horizon is further away than any date that we reckon with.
	horizon = 30 * 24 * time.Hour
	// maxReplicas bounds what is believed of the number of replicas.
	maxReplicas = 100_000
)

// Mode says what happens to requests while Redis does not answer.
type Mode int

const (
	// FailLocalShare lets each replica use its share of four fifths of the
	// rate, by the number of replicas last known.
	FailLocalShare Mode = iota
	// FailOpen lets requests through without a limit.
	FailOpen
	// FailClosed refuses requests with the reason Unavailable.
	FailClosed
)

// Config says what a [Limiter] allows, and how it reaches Redis. Replicas that
// share a limit must have the same Rate, Burst and Prefix.
type Config struct {
	// Eval runs a Lua script on Redis (EVAL, or EVALSHA first) and returns its
	// reply: a []any of int64. It must be set, be safe for concurrent use, and
	// return soon after its context is over. Package documentation shows it for
	// three clients.
	Eval func(ctx context.Context, script string, keys, args []string) (any, error)

	// Rate is how many requests per second all replicas together may send for
	// each key in the long run. It must be positive and at most a million.
	Rate float64

	// Burst is how many requests may be sent at once after a quiet time. A
	// quarter of it is the most that one replica leases. Burst/Rate is at most
	// 30 days. 0 means one second's worth, at least 1.
	Burst int

	// Prefix begins the name of each key in Redis. It must not contain braces.
	// "" means [DefaultPrefix].
	Prefix string

	// MaxWait is the longest that a request waits for its turn; one that would
	// have to wait longer is refused. 0 means as long as its context allows, at
	// most 30 days; a negative value means that requests wait for nothing but
	// the answer of Redis.
	MaxWait time.Duration

	// MaxQueue bounds the requests that wait for one key in this process;
	// another is refused. 0 means [DefaultMaxQueue].
	MaxQueue int

	// MaxRetryAfter is the longest that an upstream's Retry-After holds a key;
	// a longer wish is cut to it. It bounds Hold and Publish likewise. 0 means
	// [DefaultMaxRetryAfter], 30 days are the most; a negative value means that
	// such wishes are ignored.
	MaxRetryAfter time.Duration

	// Timeout is the time that a call of Eval has. It is also how long a
	// request waits at most to learn that Redis is down. 0 means
	// [DefaultTimeout]; 30 days are the most.
	Timeout time.Duration

	// Mode says what happens while Redis is down. The zero value is
	// FailLocalShare.
	Mode Mode

	// Probe is the time between attempts to reach Redis while it is down. An
	// attempt is made when a request comes, not by a timer, and no request
	// waits for it. 0 means [DefaultProbe].
	Probe time.Duration

	// Replicas is how many replicas FailLocalShare reckons with as long as
	// Redis has never said how many there are. 0 means 1.
	Replicas int

	// Key names the bucket of a request. nil means one bucket per scheme, host
	// and port. It is called on every request and must be safe for concurrent
	// use. Names get into Redis: they must not be secrets.
	Key func(*http.Request) string

	// Ready, when not nil, is asked before a request queues and, if it had to
	// wait, again when its turn comes: an error refuses the request, costs no
	// slot, and is returned as it is. The method Ready of a circuit breaker
	// fits. It must not read the body.
	Ready func(*http.Request) error

	// Check, when not nil, looks at each response: an error means that the
	// upstream has throttled us, whatever the status, for the time that the
	// error's RetryAfter method or the Retry-After field says. Check must
	// leave the body as it found it. The error is not returned: the response
	// is. nil from it leaves the decision to the status.
	Check func(*http.Response) error

	// MaxKeys bounds the buckets that this process remembers; the one that was
	// not used for longest goes first, held ones last. What Redis knows of it
	// stays. 0 means [DefaultMaxKeys].
	MaxKeys int

	// IdleTimeout is how long a bucket is remembered that nobody uses. 0 means
	// [DefaultIdleTimeout]; a negative value means as long as MaxKeys allows.
	IdleTimeout time.Duration

	// Hooks are told of leases, outages and refusals.
	Hooks Hooks
}

// check returns one error for each field that is out of range.
func (c *Config) check() error {
	var errs []error
	wrong := func(bad bool, field string, value any, reason string) {
		if bad {
			errs = append(errs, fmt.Errorf("redislimit: Config.%s is %v: %s", field, value, reason))
		}
	}
	rated := c.Rate > 0 && c.Rate <= maxRate
	wrong(c.Eval == nil, "Eval", "nil", "must be set")
	wrong(!rated, "Rate", c.Rate, "must be positive and at most a million")
	wrong(c.Burst < 0, "Burst", c.Burst, "must not be negative")
	wrong(rated && float64(max(1, c.Burst))/c.Rate > horizon.Seconds(), "Burst", c.Burst, "takes more than 30 days to fill at this Rate")
	wrong(strings.ContainsAny(c.Prefix, "{}"), "Prefix", fmt.Sprintf("%q", c.Prefix), "must not contain braces")
	wrong(c.MaxWait > horizon, "MaxWait", c.MaxWait, "must be at most 30 days")
	wrong(c.MaxQueue < 0, "MaxQueue", c.MaxQueue, "must not be negative")
	wrong(c.MaxRetryAfter > horizon, "MaxRetryAfter", c.MaxRetryAfter, "must be at most 30 days")
	wrong(c.Timeout < 0 || c.Timeout > horizon, "Timeout", c.Timeout, "must be between 0 and 30 days")
	wrong(c.Mode < FailLocalShare || c.Mode > FailClosed, "Mode", int(c.Mode), "must be one of the constants")
	wrong(c.Probe < 0 || c.Probe > horizon, "Probe", c.Probe, "must be between 0 and 30 days")
	wrong(c.Replicas < 0 || c.Replicas > maxReplicas, "Replicas", c.Replicas, "must be between 0 and 100000")
	wrong(c.MaxKeys < 0, "MaxKeys", c.MaxKeys, "must not be negative")
	return errors.Join(errs...)
}

// fill sets the defaults.
func (c *Config) fill() {
	orDefault(&c.Burst, int(max(1, math.Ceil(c.Rate))))
	orDefault(&c.Prefix, DefaultPrefix)
	orDefault(&c.MaxQueue, DefaultMaxQueue)
	orDefault(&c.MaxRetryAfter, DefaultMaxRetryAfter)
	orDefault(&c.Timeout, DefaultTimeout)
	orDefault(&c.Probe, DefaultProbe)
	orDefault(&c.Replicas, 1)
	orDefault(&c.MaxKeys, DefaultMaxKeys)
	orDefault(&c.IdleTimeout, DefaultIdleTimeout)
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
