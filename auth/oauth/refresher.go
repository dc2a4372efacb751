package oauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/flight"
)

// DefaultRefreshTimeout is the default of RefreshConfig.Timeout.
const DefaultRefreshTimeout = time.Minute

// RefreshConfig says whose tokens a [Refresher] keeps fresh. Key is needed.
type RefreshConfig struct {
	// Store keeps the tokens. nil means one in memory, whose tokens are lost
	// with the process. If it is a [Locker], a refresh happens under its lock.
	Store Store
	// Key names the family of tokens in the Store: one login of one user. It
	// says nothing of the secret kind, because it may be logged.
	Key string
	// Scopes, when given, are asked for in place of all that were granted. They
	// must be among those.
	Scopes []string
	// Resources are the URIs of the services that the access tokens are for
	// (RFC 8707, section 2.2): those of the login, or some of them. A server that
	// knows resources may make tokens for another service without.
	Resources []string
	// Timeout is the time that one refresh may take, with the wait for the lock.
	// 0 means [DefaultRefreshTimeout]. The Timeout of an auth.Cache in front
	// ends the waiting, not the refresh.
	Timeout time.Duration
	// Hooks are told what goes wrong with the Store.
	Hooks RefreshHooks
}

// RefreshHooks are told what goes wrong with the Store of a [Refresher]. A nil
// func is not called. They run on the goroutine of the refresh, or of the
// saving, with no mutex held.
type RefreshHooks struct {
	// StoreFailed is called each time that the Store has failed: when a token
	// could not be loaded or locked, and for each vain attempt to save one. The
	// tokens in memory stay in use, and saving is tried again. The Store's lock
	// may be held.
	StoreFailed func(error)
}

// Refresher is a [auth.Source] of tokens that are refreshed (RFC 6749, section
// 6), with a refresh token that may change each time and must not get lost. Put
// an [auth.Cache] in front of it. It is safe for concurrent use.
//
// Each call of Token either gives out the Store's token, if that is good and was
// not given out before, or refreshes it: under the lock of its family, one at a
// time, in the background, so that no caller who leaves can lose a refresh token
// on its way. What comes of it is saved before it is given out.
//
// Answers of 429 and 5xx are repeated. When an answer is lost the server may
// have taken the refresh token back: the Store is read again, then the request
// is sent once more. When the server refuses the refresh token the Store is read
// again too, because another process may have a newer one. After that it is not
// sent any more: Token fails with [auth.ErrReauthRequired] until
// [Refresher.Login] or another process saves a new login.
//
// When a token cannot be saved it is given out all the same, and a goroutine
// tries to save it, until that succeeds, or the Store has a newer one, or Close.
type Refresher struct {
	client  *Client
	config  RefreshConfig
	flights *flight.Group[struct{}, *auth.Token]
	vault   *vault

	mu     sync.Mutex
	given  auth.Secret // the access token given out last
	dead   auth.Secret // the refresh token that the server has refused
	reason error       // with what
}

// Refresher checks r and makes a Refresher of it. Its error joins one error for
// each field that is wrong. Close must be called if its Store may fail.
func (c *Client) Refresher(r RefreshConfig) (*Refresher, error) {
	errs := []error{Params{Scopes: r.Scopes, Resources: r.Resources}.check()}
	if r.Key == "" {
		errs = append(errs, errors.New("oauth: RefreshConfig.Key is empty"))
	}
	if r.Timeout < 0 {
		errs = append(errs, fmt.Errorf("oauth: RefreshConfig.Timeout is %v: must not be negative", r.Timeout))
	}
	if r.Store != nil && isNil(r.Store) {
		errs = append(errs, errors.New("oauth: RefreshConfig.Store is a nil pointer"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if r.Timeout == 0 {
		r.Timeout = DefaultRefreshTimeout
	}
	if r.Store == nil {
		r.Store = new(MemoryStore)
	}
	r.Scopes, r.Resources = slices.Clone(r.Scopes), slices.Clone(r.Resources)
	return &Refresher{
		client:  c,
		config:  r,
		flights: flight.New[struct{}, *auth.Token](r.Timeout),
		vault:   newVault(r),
	}, nil
}

// Token returns a token that was not given out before. Its error is a
// [*auth.TokenError]. The work goes on when ctx ends.
func (r *Refresher) Token(ctx context.Context) (*auth.Token, error) {
	t, err := r.flights.Do(ctx, struct{}{}, r.next)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.given = t.AccessToken
		return t, nil
	}
	e, ok := errors.AsType[*auth.TokenError](err)
	switch {
	case errors.Is(err, flight.ErrClosed):
		return nil, &auth.TokenError{Kind: auth.Canceled, Err: auth.ErrClosed}
	case ok && e.Kind != auth.Canceled:
		return nil, e
	case errors.Is(err, flight.ErrTimeout): // of the flight, which may have seen it first
		return nil, &auth.TokenError{Kind: auth.Transient, Description: "refreshing the token takes too long", Err: context.DeadlineExceeded}
	case ok:
		return nil, e
	case ctx.Err() != nil:
		return nil, &auth.TokenError{Kind: auth.Canceled, Err: err}
	}
	return nil, &auth.TokenError{Kind: auth.Protocol, Err: err}
}

// Login saves the token of a new login in place of what the Store has. Call
// Reset of an [auth.Cache] in front of the Refresher after it. The token is not
// changed.
func (r *Refresher) Login(ctx context.Context, t *auth.Token) error {
	if t == nil || t.AccessToken.IsZero() {
		return errors.New("oauth: there is no token to save")
	}
	unlock, err := r.vault.lock(ctx, r.config.Timeout)
	if err != nil {
		return err
	}
	defer unlock()
	if err := r.vault.replace(ctx, t); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.given, r.dead, r.reason = auth.Secret{}, auth.Secret{}, nil
	return nil
}

// Close ends the refresh that is under way, and the attempts to save a token. It
// does not wait for them. From then on there are no tokens. It can be called more
// than once.
func (r *Refresher) Close() error {
	r.vault.close()
	r.flights.Close()
	return nil
}

// Unsaved reports whether there is a token that the Store does not have yet. If
// the process ends now the login may be lost.
func (r *Refresher) Unsaved() bool {
	_, unkept := r.vault.newest()
	return unkept
}

// next returns the token after the one given out last. There is one call at a
// time.
func (r *Refresher) next(ctx context.Context) (*auth.Token, error) {
	unlock, err := r.vault.lock(ctx, r.config.Timeout+saveTime)
	if err != nil {
		if memory, _ := r.vault.newest(); ctx.Err() != nil || memory.Token == nil {
			return nil, &auth.TokenError{Kind: auth.Transient, Err: err}
		}
		r.vault.tell(err)
		unlock = func() {}
	}
	defer unlock()
	now, err := r.vault.load(ctx)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, reauth("nobody has logged in yet")
	case err != nil:
		return nil, &auth.TokenError{Kind: auth.Transient, Err: err}
	case r.good(now.Token):
		return aged(now.Token), nil
	}
	return r.refresh(ctx, now)
}

// minLeft is how long a token must be good for to be taken over from a store;
// half its lifetime if that is shorter.
const minLeft = 30 * time.Second

// good reports whether t can be given out as it is: it is not the last one,
// which the caller knows and does not want, and it has not expired.
func (r *Refresher) good(t *auth.Token) bool {
	r.mu.Lock()
	last := r.given
	r.mu.Unlock()
	if t.AccessToken.Equal(last) {
		return false
	}
	if t.Expiry.IsZero() {
		return true
	}
	need := minLeft
	if !t.Issued.IsZero() {
		need = min(need, t.Expiry.Sub(t.Issued)/2)
	}
	return time.Until(t.Expiry) > need
}

// aged returns a token from the Store: what counts is not how long it was good
// when it was made, but when it expires.
func aged(t *auth.Token) *auth.Token {
	own := t.Clone()
	own.ExpiresIn, own.Date = 0, time.Time{}
	return own
}

// maxAsks is how often one call of Token sends a refresh token, repetitions after
// an answer apart.
const maxAsks = 3

// refresh gets a new token for that of a record.
func (r *Refresher) refresh(ctx context.Context, from Record) (*auth.Token, error) {
	for asks := 1; ; asks++ {
		if err := r.refused(from.Token); err != nil {
			return nil, err
		}
		t, lost, err := r.ask(ctx, from.Token)
		if err == nil {
			newest := r.vault.keep(ctx, from, t)
			if newest != t {
				return aged(newest), nil
			}
			return t, nil
		}
		ended := errors.Is(err, auth.ErrReauthRequired)
		if !lost && !ended {
			return nil, err
		}
		// Somebody else may have been faster, and a lost answer may have been one
		// to a request that never arrived.
		now, loadErr := r.vault.load(ctx)
		if loadErr == nil && r.good(now.Token) {
			return aged(now.Token), nil
		}
		again := loadErr == nil && (lost && asks == 1 || !now.Token.RefreshToken.Equal(from.Token.RefreshToken))
		if !again || asks == maxAsks {
			if ended {
				r.mu.Lock()
				r.dead, r.reason = from.Token.RefreshToken, err
				r.mu.Unlock()
			}
			return nil, err
		}
		from = now
	}
}

// refused returns the error for a token that cannot be refreshed: it has no
// refresh token, or one that the server does not take.
func (r *Refresher) refused(t *auth.Token) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case t.RefreshToken.IsZero():
		return reauth("there is no refresh token")
	case t.RefreshToken.Equal(r.dead):
		return r.reason
	}
	return nil
}

// ask sends the refresh token, and reports whether the answer was lost.
func (r *Refresher) ask(ctx context.Context, from *auth.Token) (t *auth.Token, lost bool, err error) {
	form := Params{Scopes: r.config.Scopes, Resources: r.config.Resources}.values()
	form.Set("grant_type", "refresh_token")
	form.Set("refresh_token", from.RefreshToken.Reveal())
	scopes := from.Scopes
	if len(r.config.Scopes) > 0 {
		scopes = r.config.Scopes
	}
	ctx = context.WithValue(ctx, lostKey{}, &lost)
	a, err := r.client.post(ctx, call{url: r.client.config.Endpoints.Token, repeat: whenAnswered, form: fixed(form)})
	if err != nil {
		return nil, lost, err
	}
	t, err = a.token(scopes)
	if err != nil {
		return nil, false, err
	}
	if t.RefreshToken.IsZero() {
		t.RefreshToken = from.RefreshToken // it stays the same (section 6)
	}
	return t, false, nil
}
