package inbox

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast/retry"
)

// The defaults of [Config] and [Filter].
const (
	DefaultWorkers       = 16
	DefaultLease         = time.Minute
	DefaultTimeout       = 5 * time.Minute
	DefaultDrain         = 20 * time.Second
	DefaultPoll          = time.Second
	DefaultMaxAttempts   = 12
	DefaultMaxCrashes    = 3
	DefaultMaxRetryAfter = 24 * time.Hour
	DefaultMaxBacklog    = 100_000
	DefaultKeepDone      = 7 * 24 * time.Hour
	DefaultKeepDead      = 30 * 24 * time.Hour
	DefaultLimit         = 100
)

// Reused says what becomes of an event that has the ID of another one, but
// other content.
type Reused int

const (
	// QuarantineReused keeps it aside for somebody to look at.
	QuarantineReused Reused = iota
	// IgnoreReused takes it for a duplicate. It is for sources that change the
	// content when they send an event again, such as a count of attempts.
	IgnoreReused
)

// Config says how an [Inbox] works.
type Config struct {
	// Store keeps the events. It must be set.
	Store Store

	// Handle does what an event asks for. It runs on a goroutine of its own, must
	// be safe for concurrent use, and must return when its context ends. The
	// event is Done when it returns nil; else it is tried again, see
	// [Permanent] and [RetryAfter]. A panic is an error, too, a [*PanicError]. It
	// can be called more than once for an event, even after it has returned nil:
	// see [Delivery.IdempotencyKey].
	Handle func(context.Context, *Delivery) error

	// HandleTx is the same in a transaction of the Store, which must be a
	// [TxStore]. What it writes with tx is committed together with the end of the
	// event, so that it is done once, however often HandleTx is called. It must
	// neither commit nor roll back tx. As long as it runs the transaction is open:
	// calls to others belong elsewhere.
	//
	// At most one of Handle and HandleTx is set. With neither the Inbox takes
	// events in, and another program handles them.
	HandleTx func(context.Context, *sql.Tx, *Delivery) error

	// Reused says what becomes of IDs that come again with other content.
	Reused Reused

	// Workers is how many events are handled at a time, at most 10,000. 0 means
	// [DefaultWorkers].
	Workers int

	// Lease is for how long an event belongs to its worker, between 100 ms and a
	// day. It is extended while the handler runs. After a crash it is the time
	// until somebody else takes over. 0 means [DefaultLease].
	Lease time.Duration

	// Timeout ends the context of a handler. One that goes on all the same keeps
	// its worker, but after another Lease somebody else may have its event.
	// 0 means [DefaultTimeout]; a negative value means none.
	Timeout time.Duration

	// Drain is how long handlers may go on after the context of Run has ended;
	// then their contexts end. Events that fail because of that are given back,
	// which does not count as an attempt. 0 means [DefaultDrain]; a negative
	// value means that their contexts end at once.
	Drain time.Duration

	// Poll is how often the store is asked for events that others have put, or
	// that are due again; between 1 ms and an hour. 0 means [DefaultPoll].
	Poll time.Duration

	// MaxAttempts is how often an event is tried before it is Dead, crashes not
	// counted, at most 1,000. 0 means [DefaultMaxAttempts]; a negative value
	// means once.
	MaxAttempts int

	// MaxCrashes is after how many attempts that ended without a word, because
	// the process died or the lease was lost, an event is Dead, at most 1,000. 0
	// means [DefaultMaxCrashes]; a negative value means that they are not counted.
	MaxCrashes int

	// Backoff makes the schedule of an event. For its n-th failure the schedule is
	// made anew and asked n times. A delay of backoff.Stop, or a nil schedule,
	// makes the event Dead. nil means retry.EqualJitter(5*time.Second, time.Hour),
	// with which twelve attempts take between one and two and a half hours. If it
	// panics the delay is an hour, and the panic is in the reason that is stored.
	Backoff func() backoff.BackOff

	// MaxRetryAfter clamps what errors ask for, see [RetryAfter]. 0 means
	// [DefaultMaxRetryAfter]; a negative value means that they are not asked.
	MaxRetryAfter time.Duration

	// HoldKey makes a Dead event hold back the later ones of its Source and Key
	// until it is replayed or discarded. Else they go on without it.
	HoldKey bool

	// MaxBacklog is how many events may be Pending, Leased or Waiting before Put
	// refuses more. They are counted at most four times a second, so that Puts
	// of several programs can go past it by what they store in that time. A
	// batch of more than MaxBacklog is stored when nothing waits. 0 means
	// [DefaultMaxBacklog].
	MaxBacklog int

	// KeepDone is how long an event is kept after it was Done or Discarded, so
	// that its duplicates are known: longer than its source sends it again. 0
	// means [DefaultKeepDone]; a negative value means for ever.
	KeepDone time.Duration

	// KeepDead is how long an event is kept after it was Dead or Quarantined. 0
	// means [DefaultKeepDead]; a negative value means for ever.
	KeepDead time.Duration

	// Hooks are told of what happens.
	Hooks Hooks
}

const (
	maxWorkers  = 10_000
	maxAttempts = 1_000
	minLease    = 100 * time.Millisecond
	maxLease    = 24 * time.Hour
	maxPoll     = time.Hour
	longest     = 100 * 365 * 24 * time.Hour

	// storeRetryAfter is what a source is told when the store has failed.
	storeRetryAfter = 5 * time.Second
)

func (c *Config) setDefaults() {
	c.Workers = cmp.Or(c.Workers, DefaultWorkers)
	c.Lease = cmp.Or(c.Lease, DefaultLease)
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.Drain = cmp.Or(c.Drain, DefaultDrain)
	c.Poll = cmp.Or(c.Poll, DefaultPoll)
	c.MaxAttempts = cmp.Or(c.MaxAttempts, DefaultMaxAttempts)
	c.MaxCrashes = cmp.Or(c.MaxCrashes, DefaultMaxCrashes)
	c.MaxRetryAfter = cmp.Or(c.MaxRetryAfter, DefaultMaxRetryAfter)
	c.MaxBacklog = cmp.Or(c.MaxBacklog, DefaultMaxBacklog)
	c.KeepDone = cmp.Or(c.KeepDone, DefaultKeepDone)
	c.KeepDead = cmp.Or(c.KeepDead, DefaultKeepDead)
	if c.Backoff == nil {
		c.Backoff = retry.EqualJitter(5*time.Second, time.Hour)
	}
}

// check returns one error for each field that is wrong.
func (c *Config) check() error {
	var errs []error
	wrong := func(bad bool, field string, value any, reason string) {
		if bad {
			errs = append(errs, fmt.Errorf("inbox: Config.%s is %v: %s", field, value, reason))
		}
	}
	_, transacts := c.Store.(TxStore)
	wrong(c.Store == nil, "Store", "nil", "must be set")
	wrong(c.Handle != nil && c.HandleTx != nil, "HandleTx", "set", "must not be set beside Handle")
	wrong(c.HandleTx != nil && c.Store != nil && !transacts, "HandleTx", "set", "needs a Store that is a TxStore")
	wrong(c.Reused != QuarantineReused && c.Reused != IgnoreReused, "Reused", int(c.Reused), "must be QuarantineReused or IgnoreReused")
	wrong(c.Workers < 0 || c.Workers > maxWorkers, "Workers", c.Workers, "must be between 0 and 10000")
	wrong(c.Lease != 0 && (c.Lease < minLease || c.Lease > maxLease), "Lease", c.Lease, "must be between 100ms and 24h")
	wrong(c.Timeout > longest, "Timeout", c.Timeout, "must be at most a century")
	wrong(c.Drain > longest, "Drain", c.Drain, "must be at most a century")
	wrong(c.Poll != 0 && (c.Poll < time.Millisecond || c.Poll > maxPoll), "Poll", c.Poll, "must be between 1ms and 1h")
	wrong(c.MaxAttempts > maxAttempts, "MaxAttempts", c.MaxAttempts, "must be at most 1000")
	wrong(c.MaxCrashes > maxAttempts, "MaxCrashes", c.MaxCrashes, "must be at most 1000")
	wrong(c.MaxRetryAfter > longest, "MaxRetryAfter", c.MaxRetryAfter, "must be at most a century")
	wrong(c.MaxBacklog < 0, "MaxBacklog", c.MaxBacklog, "must not be negative")
	wrong(c.KeepDone > longest, "KeepDone", c.KeepDone, "must be at most a century")
	wrong(c.KeepDead > longest, "KeepDead", c.KeepDead, "must be at most a century")
	return errors.Join(errs...)
}
