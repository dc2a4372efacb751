package jwt

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/keyed"
)

// The defaults of [JWKSConfig].
const (
	DefaultRefresh     = 15 * time.Minute
	DefaultMaxStale    = 24 * time.Hour
	DefaultMinInterval = 30 * time.Second
	DefaultTimeout     = 10 * time.Second
)

// What is remembered of key ids that the set does not have.
const (
	maxMisses     = 1000
	missIntervals = 2 // for how many MinIntervals
)

// JWKSConfig says where a [JWKS] has its keys from. URL must be set.
type JWKSConfig struct {
	// URL is that of the key set, the "jwks_uri" of the issuer. It must be
	// https and without userinfo.
	URL string

	// Client fetches the set. nil means a plain one. Its Timeout counts beside
	// the one below. Redirects to http are refused whatever its CheckRedirect
	// says; without one, at most three redirects are followed.
	Client *http.Client

	// Refresh is the age from which on the set is fetched anew. A caller who
	// finds it so old starts that and does not wait for it. So a key that the
	// issuer has removed stops verifying about this much later.
	// 0 means [DefaultRefresh].
	Refresh time.Duration

	// MaxStale is the age from which on a set is not used any more, however
	// often fetching it has failed. It must not be less than Refresh.
	// 0 means [DefaultMaxStale].
	MaxStale time.Duration

	// MinInterval is the least time between two fetches that unknown key ids
	// cause, and the longest back-off after a failed fetch. With it, a flood of
	// tokens with invented key ids costs the issuer one request in that time.
	// 0 means [DefaultMinInterval].
	MinInterval time.Duration

	// Timeout bounds one fetch. 0 means [DefaultTimeout].
	Timeout time.Duration

	// DangerouslyAllowHTTP takes a URL with http: whoever is on the way can
	// then make the keys, and so any token. It is for tests.
	DangerouslyAllowHTTP bool

	// Hooks are told of fetches.
	Hooks Hooks
}

// Hooks are told what a [JWKS] does. A nil func is not called.
type Hooks struct {
	// Fetched is called after each fetch, on its own goroutine and without a
	// lock. Callers who wait for the fetch do not wait for the hook.
	Fetched func(Fetch)
}

// Fetch is one attempt to fetch the key set.
type Fetch struct {
	// Keys is how many keys the set had that can verify signatures.
	Keys int
	// Ignored is how many others it had.
	Ignored int
	// Took is the time from the request to the last byte.
	Took time.Duration
	// Err says why the fetch failed, nil if it did not. The set that was there
	// before is kept then.
	Err error
}

// JWKS is a [KeySource] that fetches the key set of an issuer and keeps it. It
// is bounded: 1 MiB, 100 keys, one fetch at a time. It has no goroutine at
// rest; nothing is fetched before the first token comes. It is safe for
// concurrent use.
//
// A token whose key is known never waits, unless the set is older than MaxStale,
// and its signature never causes a fetch. A token with another key id may be
// signed by a new key, so it makes the set be fetched, at most once in
// MinInterval, and waits for that no longer than its own context lets it. An id
// that was looked for in vain is remembered for twice as long, and causes no
// fetch; it is found as soon as a fetch for another reason brings it.
// A token without a key id causes none either: new keys of issuers that write
// no ids come with Refresh.
type JWKS struct {
	config JWKSConfig
	client *http.Client
	origin string // for errors
	start  time.Time
	misses *keyed.Map[string, miss]

	fetches, failures atomic.Uint64

	mu        sync.Mutex
	set       KeySet
	fetched   time.Time // when the request for set was sent; zero if there is none
	notBefore time.Time // of the next fetch
	failed    int       // fetches since the last good one
	err       error     // of the last fetch
	flight    *flight   // the fetch under way, or nil
}

// miss is an id that the set did not have.
type miss struct{ until atomic.Int64 }

// flight is one fetch that any number of callers wait for.
type flight struct{ done chan struct{} }

// NewJWKS checks c and makes a JWKS of it. Its error joins one error for each
// value that is wrong. It sends nothing.
func NewJWKS(c JWKSConfig) (*JWKS, error) {
	var errs []error
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "":
		errs = append(errs, errors.New("jwt: JWKSConfig.URL is not an absolute URL"))
	case u.User != nil:
		errs = append(errs, errors.New("jwt: JWKSConfig.URL has userinfo"))
	case u.Scheme != "https" && !(u.Scheme == "http" && c.DangerouslyAllowHTTP):
		errs = append(errs, errors.New("jwt: JWKSConfig.URL is not https"))
	}
	for _, d := range []struct {
		name     string
		value    *time.Duration
		standard time.Duration
	}{
		{"Refresh", &c.Refresh, DefaultRefresh},
		{"MaxStale", &c.MaxStale, DefaultMaxStale},
		{"MinInterval", &c.MinInterval, DefaultMinInterval},
		{"Timeout", &c.Timeout, DefaultTimeout},
	} {
		if *d.value < 0 {
			errs = append(errs, fmt.Errorf("jwt: JWKSConfig.%s is %v: must not be negative", d.name, *d.value))
		}
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	if c.MaxStale < c.Refresh {
		errs = append(errs, fmt.Errorf("jwt: JWKSConfig.MaxStale is %v: must not be less than Refresh, %v", c.MaxStale, c.Refresh))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &JWKS{
		config: c,
		client: safeClient(c.Client),
		origin: u.Scheme + "://" + u.Host,
		start:  time.Now(),
		misses: keyed.New(keyed.Config[string, miss]{
			Max: maxMisses,
		}),
	}, nil
}

// Keys returns the keys with this id, or all keys when kid is empty. It may wait
// for one fetch. The error is the cause of the context's end, or says why there
// is no set, or why the set could not be fetched in which the id might be.
func (j *JWKS) Keys(ctx context.Context, kid string, _ Algorithm) ([]Key, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	now := time.Now()
	set, usable := j.current(ctx, now)
	if usable {
		if found := set.find(kid); len(found) > 0 || kid == "" || j.missed(kid, now) {
			return found, nil
		}
	}
	f := j.join(ctx, now)
	if f == nil {
		return j.refusal(usable)
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	set, err := j.outcome(time.Now())
	if err != nil {
		return nil, err
	}
	found := set.find(kid)
	if len(found) == 0 {
		j.remember(kid)
	}
	return found, nil
}

// current returns the set and whether it may be used, and starts a fetch if the
// set is old.
func (j *JWKS) current(ctx context.Context, now time.Time) (KeySet, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	age := now.Sub(j.fetched)
	if j.fetched.IsZero() || age >= j.config.MaxStale {
		return nil, false
	}
	if age >= j.config.Refresh {
		j.joinLocked(ctx, now)
	}
	return j.set, true
}

// join returns the fetch under way, or starts one. It returns nil if it is too
// early for another.
func (j *JWKS) join(ctx context.Context, now time.Time) *flight {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.joinLocked(ctx, now)
}

func (j *JWKS) joinLocked(ctx context.Context, now time.Time) *flight {
	if j.flight != nil || now.Before(j.notBefore) {
		return j.flight
	}
	j.flight = &flight{done: make(chan struct{})}
	// The fetch is everybody's: it outlives the caller who started it, and ends
	// at its own time limit.
	go j.fetch(context.WithoutCancel(httpx.Aside(ctx)), j.flight)
	return j.flight
}

// refusal is the answer when nothing can be fetched at present. After a good
// fetch the key is unknown; after a failed one nobody can tell.
func (j *JWKS) refusal(usable bool) ([]Key, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return nil, j.err
	}
	if !usable {
		return nil, errors.New("the key set is too old")
	}
	return nil, nil
}

// outcome is what there is after a fetch.
func (j *JWKS) outcome(now time.Time) (KeySet, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return nil, j.err
	}
	if now.Sub(j.fetched) >= j.config.MaxStale {
		return nil, errors.New("the key set is too old")
	}
	return j.set, nil
}

// missed reports whether the id was looked for in vain a short time ago.
func (j *JWKS) missed(kid string, now time.Time) bool {
	since := now.Sub(j.start)
	e, ok := j.misses.Peek(kid, since)
	if !ok {
		return false
	}
	defer j.misses.Release(e)
	return int64(since) < e.Value().until.Load()
}

func (j *JWKS) remember(kid string) {
	since := time.Since(j.start)
	e := j.misses.Acquire(kid, since)
	defer j.misses.Release(e)
	e.Value().until.Store(int64(since + missIntervals*j.config.MinInterval))
}

// Snapshot is the state of a [JWKS].
type Snapshot struct {
	// KeyIDs are those of the keys that can verify signatures, in the order of
	// the set; "" for a key without one.
	KeyIDs []string
	// Fetched is when the set was asked for; zero if there is none.
	Fetched time.Time
	// Err says why the last fetch failed; nil if it did not.
	Err error
	// Fetches is how many fetches have ended, Failures how many of them failed.
	Fetches, Failures uint64
}

// Snapshot returns the state. A set that is older than MaxStale is in it, though
// it is not used.
func (j *JWKS) Snapshot() Snapshot {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := Snapshot{Fetched: j.fetched, Err: j.err, Failures: j.failures.Load(), Fetches: j.fetches.Load()}
	for _, k := range j.set {
		s.KeyIDs = append(s.KeyIDs, k.id)
	}
	return s
}
