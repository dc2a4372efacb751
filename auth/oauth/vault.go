package oauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/auth"
)

// vault is the record of one family, in memory and in a Store that may fail.
// While the two differ, memory is the newer one.
type vault struct {
	store  Store
	key    string
	failed func(error) // may be nil
	closed chan struct{}
	once   sync.Once // closes closed

	// slot has room for one. Whoever uses the Store to bring the two together
	// has put something there: only a wait that a context ends may last as long
	// as that.
	slot chan struct{}

	mu     sync.Mutex
	memory Record        // Version is the last one known of the Store
	unkept bool          // the Store does not have memory's token, as far as is known
	spent  []auth.Secret // refresh tokens that were used up since the Store had all
	saving bool          // there is a goroutine that saves
}

// How a token is saved that a store does not take: saveTries times while the
// family's lock is held, for saveTime in all, and then with waits up to
// maxSavePause.
const (
	saveTries    = 3
	saveTime     = 10 * time.Second
	minSavePause = 100 * time.Millisecond
	maxSavePause = time.Minute
)

// maxSpent bounds what is remembered while a Store does not work.
const maxSpent = 16

func newVault(c RefreshConfig) *vault {
	return &vault{
		store: c.Store, key: c.Key, failed: c.Hooks.StoreFailed,
		closed: make(chan struct{}), slot: make(chan struct{}, 1),
	}
}

// close ends the saving in the background.
func (v *vault) close() { v.once.Do(func() { close(v.closed) }) }

// lock takes the lock of the family, if the Store has one.
func (v *vault) lock(ctx context.Context, d time.Duration) (unlock func(), err error) {
	locker, ok := v.store.(Locker)
	if !ok {
		return func() {}, nil
	}
	unlock, err = locker.Lock(ctx, v.key, d)
	if err != nil {
		return nil, fmt.Errorf("oauth: lock the stored token: %w", err)
	}
	return unlock, nil
}

// enter waits for the slot.
func (v *vault) enter(ctx context.Context) error {
	select {
	case v.slot <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (v *vault) leave() { <-v.slot }

// newest returns the record in memory; without a Token if there is none.
func (v *vault) newest() (r Record, unkept bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.memory, v.unkept
}

// load brings memory up to date with the Store and returns what there is. When
// the Store has failed that is what memory has. The error is ErrNotFound if
// nobody has logged in.
func (v *vault) load(ctx context.Context) (Record, error) {
	if err := v.enter(ctx); err != nil {
		return Record{}, err
	}
	defer v.leave()
	err := v.look(ctx)
	r, unkept := v.newest()
	switch {
	case errors.Is(err, ErrNotFound):
		return Record{}, err
	case err != nil:
		v.tell(err)
		if r.Token == nil {
			return Record{}, err
		}
	case unkept:
		if err := v.put(ctx); err != nil {
			v.tell(err)
		}
		r, _ = v.newest()
		if r.Token == nil {
			return Record{}, ErrNotFound
		}
	}
	return r, nil
}

// look reads the Store and decides which of the two is the newer one. The slot
// is held.
func (v *vault) look(ctx context.Context) error {
	found, err := v.store.Load(ctx, v.key)
	if err == nil && found.Token == nil {
		err = errors.New("no token and no error")
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("oauth: load the stored token: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case err != nil && v.unkept && v.memory.Version == "":
		return nil // it was never there
	case err != nil: // it was deleted
		v.memory, v.unkept, v.spent = Record{}, false, nil
		return ErrNotFound
	case v.unkept && (found.Version == v.memory.Version || v.used(found.Token.RefreshToken)):
		v.memory.Version = found.Version
	default:
		// It may be memory's own: one that was saved although the Store has said
		// that it was not.
		v.memory, v.unkept, v.spent = found, false, nil
	}
	return nil
}

// used reports whether memory's token has come of that refresh token, perhaps by
// way of others. The lock is held.
func (v *vault) used(refresh auth.Secret) bool {
	return slices.ContainsFunc(v.spent, refresh.Equal)
}

// put saves what memory has. The slot is held.
func (v *vault) put(ctx context.Context) error {
	for range saveTries {
		r, unkept := v.newest()
		if !unkept {
			return nil
		}
		version, err := v.store.Save(ctx, v.key, r)
		if errors.Is(err, ErrConflict) {
			if err = v.look(ctx); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("oauth: save the token: %w", err)
		}
		v.mu.Lock()
		v.memory.Version = version
		if v.memory.is(r.Token) {
			v.unkept, v.spent = false, nil
		}
		v.mu.Unlock()
	}
	if _, unkept := v.newest(); !unkept {
		return nil
	}
	return fmt.Errorf("oauth: save the token: %w", ErrConflict)
}

// save is put for who does not have the slot.
func (v *vault) save(ctx context.Context) error {
	if err := v.enter(ctx); err != nil {
		return fmt.Errorf("oauth: save the token: %w", err)
	}
	defer v.leave()
	return v.put(ctx)
}

// keep makes t, which has come of from, the newest token, saves it, and returns
// what counts now: mostly t. When it cannot be saved it counts all the same: it
// is good, and the old one is not. It is saved later then.
func (v *vault) keep(ctx context.Context, from Record, t *auth.Token) *auth.Token {
	// The refresh token is here now, so the end of ctx must not lose it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	v.mu.Lock()
	if v.memory.is(from.Token) {
		v.memory.Token, v.unkept = t, true
		v.spent = append(v.spent, from.Token.RefreshToken)
		v.spent = v.spent[max(0, len(v.spent)-maxSpent):]
	} // else another login was found in the Store meanwhile, and counts
	v.mu.Unlock()
	for try := 1; ; try++ {
		err := v.save(ctx)
		if err == nil {
			break
		}
		v.tell(err)
		if try == saveTries || sleep(ctx, minSavePause<<try) != nil {
			v.saveLater()
			break
		}
	}
	if r, _ := v.newest(); r.Token != nil {
		return r.Token
	}
	return t
}

// replace saves the token of a new login, whatever there is.
func (v *vault) replace(ctx context.Context, t *auth.Token) error {
	if err := v.enter(ctx); err != nil {
		return err
	}
	defer v.leave()
	for ctx.Err() == nil {
		old, err := v.store.Load(ctx, v.key)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("oauth: load the stored token: %w", err)
		}
		version, err := v.store.Save(ctx, v.key, Record{Token: t, Version: old.Version})
		if errors.Is(err, ErrConflict) {
			continue // somebody without the lock was faster
		}
		if err != nil {
			return fmt.Errorf("oauth: save the token: %w", err)
		}
		v.mu.Lock()
		v.memory, v.unkept, v.spent = Record{Token: t.Clone(), Version: version}, false, nil
		v.mu.Unlock()
		return nil
	}
	return context.Cause(ctx)
}

// saveLater starts the goroutine that saves what memory has, if there is none.
func (v *vault) saveLater() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.saving {
		v.saving = true
		go v.saveOn()
	}
}

// saveOn tries to save what memory has, until there is nothing to save or close.
func (v *vault) saveOn() {
	for pause := 10 * minSavePause; ; pause = min(2*pause, maxSavePause) {
		v.mu.Lock()
		unkept := v.unkept
		v.saving = unkept
		v.mu.Unlock()
		if !unkept || !v.pause(pause) {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), saveTime)
		err := v.save(ctx)
		cancel()
		if err != nil {
			v.tell(err)
		}
	}
}

// pause waits for d, and reports whether that was not cut short by close.
func (v *vault) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-v.closed:
		return false
	}
}

// tell calls the hook.
func (v *vault) tell(err error) {
	if v.failed != nil {
		v.failed(err)
	}
}
