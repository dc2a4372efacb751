package retry

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/keyed"
)

// The defaults of [BudgetConfig].
const (
	DefaultBudgetRatio        = 0.1
	DefaultBudgetMinPerSecond = 1
	DefaultBudgetWindow       = 10 * time.Second
	DefaultBudgetMaxKeys      = 10_000
)

// BudgetConfig says how much a [Budget] holds. The zero value lets one request
// in ten be repeated.
type BudgetConfig struct {
	// Ratio is how many repetitions each request pays for, in (0, 1].
	// 0 means [DefaultBudgetRatio]; a negative value means none.
	Ratio float64

	// MinPerSecond is how many repetitions per second there are in any case, for
	// the client that sends little: so many times the seconds of a Window, and
	// at least one in each Window. 0 means [DefaultBudgetMinPerSecond]; a
	// negative value means none.
	MinPerSecond float64

	// Window is how long what a request has paid can be spent, between 10 ms
	// and an hour. 0 means [DefaultBudgetWindow].
	Window time.Duration

	// Key names the budget of a request. nil means one per scheme, host and
	// port. It is called on every request and must be safe for concurrent use.
	Key func(*http.Request) string

	// MaxKeys bounds the budgets that are remembered.
	// 0 means [DefaultBudgetMaxKeys].
	MaxKeys int
}

// Budget bounds the repetitions of all calls together, per key: in an outage
// the upstream gets at most 1+Ratio times the requests, and MinPerSecond more,
// instead of Config.MaxAttempts times as many. It is safe for concurrent use,
// and any number of policies and hedges can share it; each of them pays in for
// the requests that come to it.
//
// The model is the RetryBudget of Twitter's Finagle: every request deposits
// Ratio tokens that last for Window, every repetition takes one, and there is a
// reserve of MinPerSecond for each second of the Window. From the retry quota
// of the AWS SDKs comes the refund: a repetition that succeeds gives its token
// back, for it has shown that the upstream is not overloaded, and so does one
// that was never sent.
type Budget struct {
	config   BudgetConfig // with defaults filled in
	reserve  float64      // tokens of MinPerSecond in a window
	start    time.Time
	accounts *keyed.Map[httpx.Key, account]
}

// NewBudget checks c and makes a Budget of it. Its error joins one error for
// each field that is wrong.
func NewBudget(c BudgetConfig) (*Budget, error) {
	var errs []error
	wrong := func(bad bool, field string, value any, reason string) {
		if bad {
			errs = append(errs, fmt.Errorf("retry: BudgetConfig.%s is %v: %s", field, value, reason))
		}
	}
	wrong(!(c.Ratio <= 1), "Ratio", c.Ratio, "must be at most 1")
	wrong(!(c.MinPerSecond <= maxMinPerSecond), "MinPerSecond", c.MinPerSecond, "must be at most 1000000")
	wrong(c.Window != 0 && (c.Window < 10*time.Millisecond || c.Window > time.Hour), "Window", c.Window, "must be between 10ms and 1h")
	wrong(c.MaxKeys < 0, "MaxKeys", c.MaxKeys, "must not be negative")
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.Ratio == 0 {
		c.Ratio = DefaultBudgetRatio
	}
	if c.MinPerSecond == 0 {
		c.MinPerSecond = DefaultBudgetMinPerSecond
	}
	if c.Window == 0 {
		c.Window = DefaultBudgetWindow
	}
	if c.MaxKeys == 0 {
		c.MaxKeys = DefaultBudgetMaxKeys
	}
	c.Ratio, c.MinPerSecond = max(0, c.Ratio), max(0, c.MinPerSecond)
	b := &Budget{config: c, start: time.Now()}
	if c.MinPerSecond > 0 {
		b.reserve = max(1, c.MinPerSecond*c.Window.Seconds())
	}
	b.accounts = keyed.New(keyed.Config[httpx.Key, account]{
		Max:  c.MaxKeys,
		Idle: 2 * c.Window,
		Hash: httpx.Key.Hash,
		Init: func(key *httpx.Key, _ *account) { key.Own() },
	})
	return b, nil
}

const maxMinPerSecond = 1_000_000

// windowSlices is how many parts the window of an account moves in.
const windowSlices = 10

// account is the budget of one key: the tokens paid in and taken out in each
// slice of the window, a ring that begins anew with each turn.
type account struct {
	mu      sync.Mutex
	slice   int64 // the number of the newest slice since the start
	tokens  [windowSlices]float64
	balance float64 // the sum of tokens
}

// move lets time pass up to now and forgets what is older than the window.
func (a *account) move(b *Budget, now time.Duration) {
	slice := int64(now / (b.config.Window / windowSlices))
	if slice-a.slice >= windowSlices {
		a.slice, a.tokens, a.balance = slice, [windowSlices]float64{}, 0
		return
	}
	for a.slice < slice {
		a.slice++
		old := &a.tokens[a.slice%windowSlices]
		a.balance -= *old
		*old = 0
	}
}

// key names the account that pays for req.
func (b *Budget) key(req *http.Request) httpx.Key { return httpx.KeyOf(req, b.config.Key) }

// deposit pays for one request.
func (b *Budget) deposit(key httpx.Key) { b.add(key, b.config.Ratio) }

// refund gives back what a repetition has taken.
func (b *Budget) refund(key httpx.Key) { b.add(key, 1) }

func (b *Budget) add(key httpx.Key, tokens float64) {
	b.with(key, func(a *account) {
		a.tokens[a.slice%windowSlices] += tokens
		a.balance += tokens
	})
}

// withdraw takes a token for a repetition, and reports whether there was one.
func (b *Budget) withdraw(key httpx.Key) (granted bool) {
	b.with(key, func(a *account) {
		// The sum of many tenths may fall short of a whole by a rounding error.
		granted = a.balance+b.reserve >= 1-1e-6
		if granted {
			a.tokens[a.slice%windowSlices]--
			a.balance--
		}
	})
	return granted
}

// with calls f with the account of key, locked and brought up to date.
func (b *Budget) with(key httpx.Key, f func(*account)) {
	now := time.Since(b.start)
	entry := b.accounts.Acquire(key, now)
	defer b.accounts.Release(entry)
	a := entry.Value()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.move(b, now)
	f(a)
}
