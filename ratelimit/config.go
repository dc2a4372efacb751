package ratelimit

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/holdfast-go/holdfast/internal/pace"
)

// The defaults of [Config].
const (
	DefaultMaxRetryAfter = 10 * time.Minute
	DefaultMaxKeys       = 10_000
	DefaultIdleTimeout   = 10 * time.Minute
	DefaultMaxQueue      = 10_000
	DefaultLease         = 5 * time.Minute
	// DefaultMaxInFlight is the default only with Config.AdaptiveConcurrency.
	DefaultMaxInFlight = 200
)

// Config says what a [Limiter] allows. The zero value has no rate of its own
// and goes by what servers say.
type Config struct {
	// Rate is how many requests per second each key may send in the long run.
	// 0 and rate.Inf mean no limit of our own.
	Rate rate.Limit

	// Burst is how many requests a key may send at once after a quiet time. A
	// full bucket adds Burst to what Rate allows in a window, so keep it small
	// for an API that counts strictly. 0 means a tenth of a second's worth, at
	// least 1.
	Burst int

	// MaxWait is the longest that a request waits for its turn; one that would
	// have to wait longer is refused at once. 0 means as long as its context
	// allows; a negative value means that requests never wait.
	MaxWait time.Duration

	// MaxQueue is how many calls may wait for one key. One more is refused, or
	// takes the place of one that would be served later than it: see
	// [QueueFull]. 0 means [DefaultMaxQueue].
	MaxQueue int

	// Flow names the flow of a request that has to wait, if its context has no
	// [WithFlow]. nil means that all requests are of one flow. It must be safe
	// for concurrent use.
	Flow func(*http.Request) string

	// Cost, when not nil, looks at each response for what the request has truly
	// cost, in tokens; false means that it does not say. The difference from
	// what was charged, 1 or that of [WithCost], is charged or given back. A
	// debt keeps the key quiet for at most MaxRetryAfter. A cost that is
	// negative or no number is ignored. Cost must leave the body as it found it.
	Cost func(*http.Response) (float64, bool)

	// MaxInFlight is how many calls of a key may be under way at once. A
	// request counts until the body of its answer is read to the end or closed,
	// a [Permit] until its Release. 0 means no limit, or [DefaultMaxInFlight]
	// with AdaptiveConcurrency.
	MaxInFlight int

	// Lease is how long a call counts against MaxInFlight at most: one that
	// takes longer does not count any more, and a body that nobody closes does
	// not block its key for ever. 0 means [DefaultLease]; a negative value
	// means that leases don't end.
	Lease time.Duration

	// AdaptiveConcurrency finds out how many calls under way a server takes, up
	// to MaxInFlight. It is for APIs that limit concurrency and not the rate. It
	// starts with 20 and adds one for each answer while at least half of what is
	// allowed is in use. A 429, a 503 with Retry-After and what Check finds cut
	// the limit by a tenth, once for all calls that were under way. After a cut it
	// grows by an eighth of a call in the first round of answers, and by an eighth
	// more than that in each further one.
	AdaptiveConcurrency bool

	// AdaptiveRate finds out the rate that a server takes when its answers do
	// not tell, up to Rate. It does nothing until the first throttle, as above.
	// This cuts the rate to 0.7 of what was measured, once for all calls that
	// were under way; then it grows by CUBIC with the constants of the AWS SDKs:
	// back to the rate of the cut within some seconds, and slowly beyond it. It
	// is never below one call in two seconds.
	AdaptiveRate bool

	// Shadow lets all calls go at once. The hooks Wait and Refused tell how long
	// they would have waited, as if there were one lane and one flow, and which
	// would have been refused, but for want of room in the queue. For those that
	// would have waited for others to end, Wait tells no more than that. It is
	// for trying a Config out.
	Shadow bool

	// MaxRetryAfter is the longest that anything a server says keeps a key
	// quiet. If it asks for more, those who wait are refused with [HeldTooLong],
	// and after each MaxRetryAfter one request goes and asks. 0 means
	// [DefaultMaxRetryAfter]; a negative value means that throttles hold
	// nothing. More than a year counts as a year.
	MaxRetryAfter time.Duration

	// Dialect is how the servers talk about their limits. nil means [Auto]. A
	// server of which the preset is known is better understood with it.
	Dialect Dialect

	// IgnoreQuotas leaves aside what answers say of quotas. A 429 or 503 with
	// Retry-After, and what Check finds, still hold the key.
	IgnoreQuotas bool

	// Pace is how that is spent which a server says is left.
	Pace Pace

	// Reserve is the share of each quota of the server, from 0 to below 1, that
	// is kept for the lane Interactive.
	Reserve float64

	// ProbeFirst lets the first request to a server go alone. The others wait
	// for its answer, or for two seconds; after these twice as many may be under
	// way, and so on. It spares a server with a small quota the rush of a start,
	// and costs a round trip. Calls of Acquire count as answered when released.
	ProbeFirst bool

	// Credential, when not nil, returns what tells the accounts of a server
	// apart, such as an access token: each has buckets of its own. Only a hash
	// of it, with a key that this process draws at random, is ever kept or
	// shown. [CredentialOf] fits most. It is called on every request and must be
	// safe for concurrent use.
	Credential func(*http.Request) string

	// Route names the route of a request. Where answers name the resource,
	// bucket or partition that they count against, the limiter remembers it for
	// the route, and requests of the same route queue there. nil means the first
	// segment of the path. It must be safe for concurrent use. Of a name, 128
	// bytes count, and of a key, 256 routes.
	Route func(*http.Request) string

	// Key names the bucket of a request. nil means one bucket per scheme, host
	// and port. It is called on every request and must be safe for concurrent
	// use. Names are shown in errors, logs and snapshots: they must not be
	// secrets. Credential is for those.
	Key func(*http.Request) string

	// Ready, when not nil, is asked before a request queues and, if it had to
	// wait, again when its turn comes: an error refuses the request, costs
	// no token, and is returned as it is. The method Ready of a circuit breaker
	// fits. It must not read the body.
	Ready func(*http.Request) error

	// Check, when not nil, looks at each response: an error means that the
	// server has throttled us, whatever the status, for the time that the
	// error's RetryAfter method or the Retry-After field says. Check must
	// leave the body as it found it. The error is not returned: the response
	// is. nil from it leaves the decision to the status.
	Check func(*http.Response) error

	// MaxKeys bounds the buckets that are remembered; the one that was not
	// used for longest goes first, held ones and those with calls under way
	// last. A forgotten bucket starts full. A bucket takes about 300 bytes, 1.3 kB
	// when its server has told a quota, and 2 kB when that is of a part of it.
	// 0 means [DefaultMaxKeys].
	MaxKeys int

	// IdleTimeout is how long a bucket is remembered that nobody uses, or as
	// long as it takes to fill, if that is longer. 0 means
	// [DefaultIdleTimeout]; a negative value means as long as MaxKeys allows.
	IdleTimeout time.Duration

	// Hooks are told of waits, holds, new plans and refusals.
	Hooks Hooks
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	if c.Rate == rate.Inf {
		c.Rate = 0
	}
	if c.Burst == 0 {
		c.Burst = defaultBurst(c.Rate)
	}
	if c.AdaptiveConcurrency {
		c.MaxInFlight = cmp.Or(c.MaxInFlight, DefaultMaxInFlight)
	}
	if c.Lease < 0 {
		c.Lease = forever
	}
	c.Lease = cmp.Or(c.Lease, DefaultLease)
	c.MaxQueue = cmp.Or(c.MaxQueue, DefaultMaxQueue)
	c.MaxRetryAfter = min(cmp.Or(c.MaxRetryAfter, DefaultMaxRetryAfter), maxRetryAfter)
	c.MaxKeys = cmp.Or(c.MaxKeys, DefaultMaxKeys)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, DefaultIdleTimeout)
	return c
}

// pace is the part of c that package pace needs, after withDefaults.
func (c *Config) pace() pace.Config {
	return pace.Config{Mode: c.Pace.mode(), Reserve: c.Reserve, Rate: float64(c.Rate), MaxWait: c.longestQuiet()}
}

// Pace is how what a server says is left of a quota is spent.
type Pace uint8

const (
	// Threshold sends as fast as it can until less than a fifth of a quota is
	// left, and spreads that evenly until the quota is fresh again. It is the
	// zero value: who needs little never waits, and who needs much leaves
	// something to others and never runs dry for long.
	Threshold Pace = iota
	// Spread sends evenly from the beginning. It is for quotas that replicas or
	// other programs share, and for work that nobody waits for: of a quota of 60
	// an hour it lets one go each minute.
	Spread
	// Burst sends as fast as it can, and then waits for the reset. It is for
	// quotas that nobody shares.
	Burst
)

// mode is p in the terms of package pace.
func (p Pace) mode() pace.Mode {
	switch p {
	case Spread:
		return pace.Spread
	case Burst:
		return pace.Burst
	}
	return pace.Threshold
}

// CredentialOf returns what a request proves itself with: the fields
// Authorization, X-Api-Key, Api-Key and Cookie, whichever are there. It is for
// Config.Credential. Keys in a URL and client certificates are not among it.
func CredentialOf(req *http.Request) string {
	all := ""
	for _, name := range [...]string{"Authorization", "X-Api-Key", "Api-Key", "Cookie"} {
		for _, value := range req.Header[name] {
			if all != "" {
				all += "\x00"
			}
			all += value
		}
	}
	return all
}

// defaultBurst is a tenth of a second's worth.
func defaultBurst(limit rate.Limit) int {
	return int(min(max(1, math.Ceil(float64(limit)/10)), maxBurst))
}

// burstAt is the burst of a bucket whose rate has adapted to limit.
func (c *Config) burstAt(limit rate.Limit) int {
	switch {
	case c.Rate == 0:
		return defaultBurst(limit)
	case limit < c.Rate:
		return min(c.Burst, defaultBurst(limit))
	}
	return c.Burst
}

// adapts reports whether anything learns from how calls went.
func (c *Config) adapts() bool { return c.AdaptiveConcurrency || c.AdaptiveRate }

// longestQuiet is how long at most a quota, or the true cost of a call, keeps a key
// quiet.
func (c *Config) longestQuiet() time.Duration {
	if c.MaxRetryAfter < 0 {
		return DefaultMaxRetryAfter
	}
	return c.MaxRetryAfter
}

const (
	maxBurst      = 1 << 30
	maxRetryAfter = 365 * 24 * time.Hour
)

// check returns one error for each field that is out of range.
func (c *Config) check() error {
	var errs []error
	wrong := func(bad bool, field string, value any, reason string) {
		if bad {
			errs = append(errs, fmt.Errorf("ratelimit: Config.%s is %v: %s", field, value, reason))
		}
	}
	wrong(!(c.Rate >= 0), "Rate", float64(c.Rate), "must be a number that is not negative")
	wrong(c.Burst < 0 || c.Burst > maxBurst, "Burst", c.Burst, "must be between 0 and 2^30")
	wrong(c.MaxQueue < 0, "MaxQueue", c.MaxQueue, "must not be negative")
	wrong(c.MaxInFlight < 0, "MaxInFlight", c.MaxInFlight, "must not be negative")
	wrong(c.Pace > Burst, "Pace", uint8(c.Pace), "must be Threshold, Spread or Burst")
	wrong(!(c.Reserve >= 0 && c.Reserve < 1), "Reserve", c.Reserve, "must be at least 0 and below 1")
	wrong(c.MaxKeys < 0, "MaxKeys", c.MaxKeys, "must not be negative")
	return errors.Join(errs...)
}

// idle is how long an unused bucket has to be remembered: one that is forgotten
// before it is full again would give its tokens twice.
func (c *Config) idle() time.Duration {
	if c.IdleTimeout < 0 || c.Rate == 0 {
		return c.IdleTimeout
	}
	fill := float64(c.Burst)/float64(c.Rate)*float64(time.Second) + float64(grain)
	if fill >= math.MaxInt64 {
		return -1
	}
	return max(c.IdleTimeout, time.Duration(fill))
}
