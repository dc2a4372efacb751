package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/keyed"
	"github.com/holdfast-go/holdfast/internal/pace"
)

// Limiter keeps requests within a rate, per key, and stops a key for everyone
// when its server asks for a pause. It is safe for concurrent use.
type Limiter struct {
	config  Config // with defaults filled in
	start   time.Time
	clock   atomic.Int64 // the time, in nanoseconds since start, but for a grain
	buckets *keyed.Map[httpx.Key, bucket]
	last    atomic.Pointer[keyed.Entry[httpx.Key, bucket]]

	parser  *Parser // nil when quotas are ignored
	rules   *pace.Rules
	words   sync.Pool    // of *words
	tickets sync.Pool    // of *pace.Ticket
	seed    maphash.Seed // for credentials

	unlimited limits   // of all buckets that have none; not changed after New
	none      rarities // of all buckets that have none; never changed
}

// New checks c and makes a Limiter of it. Its error joins one error for each
// field that is wrong.
func New(c Config) (*Limiter, error) {
	parser, err := NewParser(c.Dialect)
	if err := errors.Join(c.check(), err); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	l := &Limiter{config: c, start: time.Now(), seed: maphash.MakeSeed()}
	l.unlimited.limiter = l
	l.tickets.New = func() any { return &pace.Ticket{} }
	l.words.New = func() any { return &words{} }
	if !c.IgnoreQuotas {
		l.parser = parser
	}
	if l.rules, err = pace.NewRules(c.pace()); err != nil {
		return nil, fmt.Errorf("ratelimit: %w", err)
	}
	l.buckets = keyed.New(keyed.Config[httpx.Key, bucket]{
		Max:  c.MaxKeys,
		Idle: c.idle(),
		Hash: httpx.Key.Hash,
		Init: l.initBucket,
		Keep: (*bucket).isWorthKeeping,
	})
	return l, nil
}

// now is the time since the Limiter was made. It only goes forward.
func (l *Limiter) now() time.Duration { return time.Since(l.start) }

// acquire returns the entry of req. Most programs call one host again and
// again, so the bucket found last is tried before it is searched for.
func (l *Limiter) acquire(req *http.Request) *keyed.Entry[httpx.Key, bucket] {
	if e := l.last.Load(); e != nil && e.Key().Names(req) && l.buckets.Again(e, l.recently()) {
		return e
	}
	e := l.buckets.Acquire(l.key(req), l.recently())
	// Not each time: with many hosts, all goroutines would write to one place.
	if l.config.Key == nil && l.config.Credential == nil && rand.Uint32()%16 == 0 { // #nosec G404 -- needs no secrecy
		l.last.Store(e)
	}
	return e
}

// key returns the key of req.
func (l *Limiter) key(req *http.Request) httpx.Key {
	key := httpx.KeyOf(req, l.config.Key)
	if l.config.Credential == nil {
		return key
	}
	if c := l.config.Credential(req); c != "" {
		// The seed is this process's own: nobody can tell from the sum what was
		// summed, or find it in the logs of another process.
		key.Name += fmt.Sprintf(" %016x", maphash.String(l.seed, c))
	}
	return key
}

// grain is how far the time of recently may lag behind.
const grain = time.Second

// recently is the time that buckets are looked up with. It costs no reading of
// the clock, which happens where the order of times can be kept.
func (l *Limiter) recently() time.Duration { return time.Duration(l.clock.Load()) }

// note takes notice of the time now, at which the bucket of entry was used. If
// recently lagged behind, the entry is told.
func (l *Limiter) note(entry *keyed.Entry[httpx.Key, bucket], now time.Duration) {
	if now-l.recently() <= grain {
		return
	}
	l.clock.Store(int64(now))
	if l.buckets.Again(entry, now) {
		l.buckets.Release(entry)
	}
}

// enter admits a call, now or when its turn has come.
func (l *Limiter) enter(ctx context.Context, entry *keyed.Entry[httpx.Key, bucket], n *need, flow string) error {
	taken, now := entry.Value().take(n)
	l.note(entry, now)
	if taken {
		return nil
	}
	return l.enterLate(ctx, entry, entry.Value(), n, flow)
}

// enterLate admits a call to b, of the key of entry, that can't go at once.
func (l *Limiter) enterLate(ctx context.Context, entry *keyed.Entry[httpx.Key, bucket], b *bucket, n *need, flow string) error {
	if l.config.Shadow {
		told, refused := b.shadow(ctx, n)
		if refused != nil {
			_ = l.refuse(refused) // only to tell
			return nil
		}
		if l.config.Hooks.Wait != nil {
			l.config.Hooks.Wait(told)
		}
		return nil
	}
	refused, gone := b.wait(ctx, n, flow)
	switch {
	case gone != nil:
		return gone
	case refused != nil:
		return l.refuse(refused)
	}
	l.note(entry, l.now())
	return nil
}

// refuse tells the hook of a refusal and returns it.
func (l *Limiter) refuse(refused *Error) error {
	if l.config.Hooks.Refused != nil {
		l.config.Hooks.Refused(refused)
	}
	return refused
}

// Wrap returns a RoundTripper that sends each request through next when its
// turn has come. A nil next means http.DefaultTransport.
//
// A request that can't have its turn in time returns an [*Error] at once, its
// body closed and nothing sent. One whose context ends while it waits returns
// the context's cause.
func (l *Limiter) Wrap(next http.RoundTripper) http.RoundTripper {
	return &transport{limiter: l, next: httpx.Base(next)}
}
