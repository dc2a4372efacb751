package oauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/auth"
)

// How a token is saved that a store does not take: saveTries times while the
// lock is held, for saveTime in all, and then with waits up to maxSavePause.
const (
	saveTries    = 3
	saveTime     = 10 * time.Second
	minSavePause = 100 * time.Millisecond
	maxSavePause = time.Minute
)

// keep saves t in place of from, and then gives it out. When it cannot be saved
// it is given out all the same: it is good, and the old one is not.
func (r *Refresher) keep(ctx context.Context, from Record, t *auth.Token) (*auth.Token, error) {
	// The refresh token is here now, so the end of the flight must not lose it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	record := Record{Token: t, Version: from.Version}
	r.remember(record, true)
	for try := 1; ; try++ {
		done, err := r.save(ctx, record)
		if done {
			break
		}
		r.storeFailed(fmt.Errorf("oauth: save the token: %w", err))
		if try == saveTries || sleep(ctx, minSavePause<<try) != nil {
			r.saveLater()
			break
		}
	}
	r.mu.Lock()
	newest := r.memory.Token // another one if somebody has logged in meanwhile
	r.mu.Unlock()
	if !newest.AccessToken.Equal(t.AccessToken) {
		return aged(newest), nil
	}
	return t, nil
}

// save saves record, and reports whether there is nothing left to do: it was
// saved, or the Store has a newer one, which then counts.
func (r *Refresher) save(ctx context.Context, record Record) (done bool, err error) {
	version, err := r.config.Store.Save(ctx, r.config.Key, record)
	if err == nil {
		r.settle(record, Record{Token: record.Token, Version: version})
		return true, nil
	}
	if !errors.Is(err, ErrConflict) {
		return false, err
	}
	newer, err := r.config.Store.Load(ctx, r.config.Key)
	if err != nil {
		return false, err
	}
	if newer.Token == nil {
		return false, errors.New("the Store returned no token and no error")
	}
	r.settle(record, newer)
	return true, nil
}

// settle puts the record that the Store has in place of the one that it should
// get, unless that is not the newest any more.
func (r *Refresher) settle(old, kept Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unkept && r.memory.Token == old.Token {
		r.memory, r.unkept = kept, false
	}
}

// saveLater starts the goroutine that saves what memory has, if there is none.
func (r *Refresher) saveLater() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.saving {
		return
	}
	r.saving = true
	go r.saveOn()
}

// saveOn tries to save what memory has, until there is nothing to save or Close.
func (r *Refresher) saveOn() {
	pause := 10 * minSavePause
	for {
		r.mu.Lock()
		record, unkept := r.memory, r.unkept
		r.saving = unkept
		r.mu.Unlock()
		if !unkept || !r.pause(pause) {
			return
		}
		pause = min(2*pause, maxSavePause)
		ctx, cancel := context.WithTimeout(context.Background(), saveTime)
		done, err := r.save(ctx, record)
		cancel()
		if !done {
			r.storeFailed(fmt.Errorf("oauth: save the token: %w", err))
		}
	}
}

// pause waits for d, and reports whether that was not cut short by Close.
func (r *Refresher) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.closed:
		return false
	}
}

// storeFailed tells the hook.
func (r *Refresher) storeFailed(err error) {
	if r.config.Hooks.StoreFailed != nil {
		r.config.Hooks.StoreFailed(err)
	}
}
