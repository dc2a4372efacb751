package sender

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast/breaker"
)

// The defaults of [Config] and [Filter].
const (
	DefaultTimeout         = 15 * time.Second
	DefaultWorkers         = 128
	DefaultPerEndpoint     = 2
	DefaultDrain           = 20 * time.Second
	DefaultPoll            = time.Second
	DefaultMaxAttempts     = 100
	DefaultDisableAfter    = 5 * 24 * time.Hour
	DefaultDisableFailures = 10
	DefaultKeep            = 7 * 24 * time.Hour
	DefaultMaxBody         = 256 << 10
	DefaultUserAgent       = "holdfast-webhook"
	DefaultLimit           = 100
)

// Config says how a [Sender] works.
type Config struct {
	// Store keeps the messages. It must be set.
	Store Store

	// Endpoint returns where the messages to an endpoint go, and what they are
	// signed with. It is asked before each attempt, so that a change of a URL or
	// of a key counts from then on. It must be set, be safe for concurrent use
	// and return when its context ends. For an endpoint that does not exist any
	// more it returns [ErrNoEndpoint], and the message is Dead; after any other
	// error, or if there is no good key, it is asked again ten seconds later,
	// which is no attempt. The text of its error is stored and logged. A panic is
	// such an error, a [*PanicError].
	Endpoint func(ctx context.Context, name string) (Endpoint, error)

	// Guard says where deliveries may go. nil means that of the zero GuardConfig.
	Guard *Guard

	// DangerouslyTransport sends the requests in place of the Guard's transport,
	// so that nothing looks at the addresses that they go to. One that is made
	// of [Guard.Transport], with layers around it, is as safe as that is. It must
	// not follow redirects: an http.Client does, its transport does not.
	DangerouslyTransport http.RoundTripper

	// Circuits has a circuit for each endpoint, under its name. nil means a new
	// Breaker of the zero breaker.Config. A transport error, a timeout and a 5xx
	// are failures, all other answers are successes. While a circuit is open its
	// endpoint is paused, in the Store, for all who share it.
	Circuits *breaker.Breaker

	// Backoff makes the schedule of a message. For its n-th failure the schedule
	// is made anew and asked n times. A delay of backoff.Stop, or a nil schedule,
	// makes the message Dead. If it panics the StandardSchedule is asked. nil
	// means [StandardSchedule].
	Backoff func() backoff.BackOff

	// MaxAttempts is how often a message is tried before it is Dead, whatever the
	// schedule says, at most 1,000. 0 means [DefaultMaxAttempts]; a negative
	// value means once.
	MaxAttempts int

	// Timeout is how long an attempt takes at most, from the call of Endpoint to
	// the header of the answer, between 1 ms and 10 minutes. What comes after the
	// header is read for a tenth of a second, up to 64 KiB, and thrown away. 0
	// means [DefaultTimeout].
	Timeout time.Duration

	// Workers is how many attempts are made at a time, at most 10,000. 0 means
	// [DefaultWorkers].
	Workers int

	// PerEndpoint is how many of them go to one endpoint, by all who share the
	// Store, at most Workers. 0 means [DefaultPerEndpoint].
	PerEndpoint int

	// Drain is how long attempts may go on after the context of Run has ended.
	// Those that are cut off then are given back, which does not count as an
	// attempt. 0 means [DefaultDrain]; a negative value means that they are cut
	// off at once.
	Drain time.Duration

	// Poll is how often the store is asked for messages that others have put, or
	// that are due again; between 1 ms and an hour. 0 means [DefaultPoll].
	Poll time.Duration

	// DisableAfter is for how long, and DisableFailures how often, all attempts
	// at an endpoint must have failed for it to be disabled. 0 means
	// [DefaultDisableAfter] and [DefaultDisableFailures]; a negative DisableAfter
	// means that only a 410 does that.
	DisableAfter    time.Duration
	DisableFailures int

	// Keep is how long a message is kept after it was delivered, or was Dead, or
	// its endpoint was disabled. 0 means [DefaultKeep]; a negative value means
	// for ever.
	Keep time.Duration

	// MaxBody is how long a body may be, in bytes, at most 64 MiB. 0 means
	// [DefaultMaxBody].
	MaxBody int

	// UserAgent is that of the requests. Empty means [DefaultUserAgent].
	UserAgent string

	// Hooks are told of what happens.
	Hooks Hooks
}

const (
	maxWorkers  = 10_000
	maxAttempts = 1_000
	maxTimeout  = 10 * time.Minute
	maxPoll     = time.Hour
	maxMaxBody  = 64 << 20
	longest     = 100 * 365 * 24 * time.Hour
)

func (c *Config) setDefaults() error {
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.Workers = cmp.Or(c.Workers, DefaultWorkers)
	c.PerEndpoint = cmp.Or(c.PerEndpoint, min(DefaultPerEndpoint, c.Workers))
	c.Drain = cmp.Or(c.Drain, DefaultDrain)
	c.Poll = cmp.Or(c.Poll, DefaultPoll)
	c.MaxAttempts = cmp.Or(c.MaxAttempts, DefaultMaxAttempts)
	c.DisableAfter = cmp.Or(c.DisableAfter, DefaultDisableAfter)
	c.DisableFailures = cmp.Or(c.DisableFailures, DefaultDisableFailures)
	c.Keep = cmp.Or(c.Keep, DefaultKeep)
	c.MaxBody = cmp.Or(c.MaxBody, DefaultMaxBody)
	c.UserAgent = cmp.Or(c.UserAgent, DefaultUserAgent)
	if c.Backoff == nil {
		c.Backoff = StandardSchedule()
	}
	var errs [2]error
	if c.Guard == nil {
		c.Guard, errs[0] = NewGuard(GuardConfig{})
	}
	if c.Circuits == nil {
		c.Circuits, errs[1] = breaker.New(breaker.Config{})
	}
	if c.DangerouslyTransport == nil && c.Guard != nil {
		c.DangerouslyTransport = c.Guard.Transport()
	}
	return errors.Join(errs[:]...)
}

// check returns one error for each field that is wrong.
func (c *Config) check() error {
	var errs []error
	wrong := func(bad bool, field string, value any, reason string) {
		if bad {
			errs = append(errs, fmt.Errorf("sender: Config.%s is %v: %s", field, value, reason))
		}
	}
	workers := cmp.Or(c.Workers, DefaultWorkers)
	wrong(c.Store == nil, "Store", "nil", "must be set")
	wrong(c.Endpoint == nil, "Endpoint", "nil", "must be set")
	wrong(c.MaxAttempts > maxAttempts, "MaxAttempts", c.MaxAttempts, "must be at most 1000")
	wrong(c.Timeout != 0 && (c.Timeout < time.Millisecond || c.Timeout > maxTimeout), "Timeout", c.Timeout, "must be between 1ms and 10m")
	wrong(c.Workers < 0 || c.Workers > maxWorkers, "Workers", c.Workers, "must be between 0 and 10000")
	wrong(c.PerEndpoint < 0 || c.PerEndpoint > workers, "PerEndpoint", c.PerEndpoint, "must be between 0 and Workers")
	wrong(c.Drain > longest, "Drain", c.Drain, "must be at most a century")
	wrong(c.Poll != 0 && (c.Poll < time.Millisecond || c.Poll > maxPoll), "Poll", c.Poll, "must be between 1ms and 1h")
	wrong(c.DisableAfter > longest, "DisableAfter", c.DisableAfter, "must be at most a century")
	wrong(c.DisableFailures < 0, "DisableFailures", c.DisableFailures, "must not be negative")
	wrong(c.Keep > longest, "Keep", c.Keep, "must be at most a century")
	wrong(c.MaxBody < 0 || c.MaxBody > maxMaxBody, "MaxBody", c.MaxBody, "must be between 0 and 64 MiB")
	wrong(c.UserAgent != "" && !isFieldValue(c.UserAgent), "UserAgent", "set", "must be at most 128 printable ASCII characters")
	return errors.Join(errs...)
}
