// Package storetest checks implementations of oauth.Store and oauth.Locker. It is
// apart from package authtest, which depends on nothing, so that a test that
// needs a server alone has no more to build.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/oauth"
)

// Run checks that a Store, and a Locker if it is one, keeps to its
// contract. open returns a handle on the same empty Store each time within one
// test: two for a Store that processes share.
func Run(t *testing.T, open func(t *testing.T) func() oauth.Store) {
	t.Helper()
	for name, check := range map[string]func(*testing.T, func() oauth.Store){
		"a record comes back whole":         storeKeepsAll,
		"a key without a record":            storeNotFound,
		"only the known record is replaced": storeCompares,
		"keys are apart":                    storeKeys,
		"one of many writers wins":          storeRace,
		"one at a time has the lock":        storeLocks,
		"a wait for the lock ends":          storeLockEnds,
	} {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
}

// storeToken returns a token with everything that is stored.
func storeToken(access string) *auth.Token {
	return &auth.Token{
		AccessToken:  auth.NewSecret(access),
		Type:         "Bearer",
		RefreshToken: auth.NewSecret("refresh of " + access),
		Scopes:       []string{"a", "b"},
		Issued:       time.Unix(1e9, 5).UTC(),
		Expiry:       time.Unix(1e9+3600, 0).UTC(),
		Extra:        map[string]auth.Secret{"id_token": auth.NewSecret(`"x.y.z"`), "n": auth.NewSecret(`{"a":[1.50]}`)},
	}
}

// same says what is not the same; "" if nothing.
func same(a, b *auth.Token) string {
	ta, errA := oauth.EncodeToken(a)
	tb, errB := oauth.EncodeToken(b)
	if err := errors.Join(errA, errB); err != nil {
		return err.Error()
	}
	if string(ta) != string(tb) {
		return fmt.Sprintf("a token comes back changed: %d bytes became %d", len(ta), len(tb))
	}
	return ""
}

func mustSave(t *testing.T, s oauth.Store, key string, r oauth.Record) string {
	t.Helper()
	version, err := s.Save(t.Context(), key, r)
	if err != nil || version == "" || version == r.Version {
		t.Fatalf("Save: version %q after %q, error %v", version, r.Version, err)
	}
	return version
}

func mustLoad(t *testing.T, s oauth.Store, key string) oauth.Record {
	t.Helper()
	r, err := s.Load(t.Context(), key)
	if err != nil || r.Token == nil {
		t.Fatalf("Load: token %v, error %v", r.Token, err)
	}
	return r
}

func storeKeepsAll(t *testing.T, open func() oauth.Store) {
	want := storeToken("one")
	version := mustSave(t, open(), "k", oauth.Record{Token: want})
	got := mustLoad(t, open(), "k")
	if problem := same(want, got.Token); problem != "" {
		t.Error(problem)
	}
	if got.Version != version {
		t.Errorf("the version is %q after saving and %q after loading", version, got.Version)
	}
}

func storeNotFound(t *testing.T, open func() oauth.Store) {
	s := open()
	if _, err := s.Load(t.Context(), "k"); !errors.Is(err, oauth.ErrNotFound) {
		t.Errorf("Load: %v, want ErrNotFound", err)
	}
	if _, err := s.Save(t.Context(), "k", oauth.Record{Token: storeToken("one"), Version: "x"}); !errors.Is(err, oauth.ErrConflict) {
		t.Errorf("Save in place of what is not there: %v, want ErrConflict", err)
	}
}

func storeCompares(t *testing.T, open func() oauth.Store) {
	first := mustSave(t, open(), "k", oauth.Record{Token: storeToken("one")})
	second := mustSave(t, open(), "k", oauth.Record{Token: storeToken("two"), Version: first})
	for _, version := range []string{"", first, second + "x"} {
		if _, err := open().Save(t.Context(), "k", oauth.Record{Token: storeToken("three"), Version: version}); !errors.Is(err, oauth.ErrConflict) {
			t.Errorf("Save in place of version %q: %v, want ErrConflict", version, err)
		}
	}
	if problem := same(storeToken("two"), mustLoad(t, open(), "k").Token); problem != "" {
		t.Error(problem)
	}
}

func storeKeys(t *testing.T, open func() oauth.Store) {
	keys := []string{"k", "K", "k ", "../k", "k/k", "k\x00", "ключ", "https://as.example|alice"}
	for _, key := range keys {
		mustSave(t, open(), key, oauth.Record{Token: storeToken("of-" + fmt.Sprintf("%x", key))})
	}
	for _, key := range keys {
		if problem := same(storeToken("of-"+fmt.Sprintf("%x", key)), mustLoad(t, open(), key).Token); problem != "" {
			t.Errorf("key %q: %s", key, problem)
		}
	}
}

// writers is how many race.
const writers = 8

func storeRace(t *testing.T, open func() oauth.Store) {
	first := mustSave(t, open(), "k", oauth.Record{Token: storeToken("one")})
	var wg sync.WaitGroup
	var mu sync.Mutex
	var winners []string
	for i := range writers {
		s := open()
		wg.Go(func() {
			access := fmt.Sprintf("writer-%d", i)
			_, err := s.Save(t.Context(), "k", oauth.Record{Token: storeToken(access), Version: first})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				winners = append(winners, access)
			} else if !errors.Is(err, oauth.ErrConflict) {
				t.Errorf("Save: %v", err)
			}
		})
	}
	wg.Wait()
	if len(winners) != 1 {
		t.Fatalf("%d writers of %d have replaced the same record", len(winners), writers)
	}
	if problem := same(storeToken(winners[0]), mustLoad(t, open(), "k").Token); problem != "" {
		t.Error(problem)
	}
}

func storeLocks(t *testing.T, open func() oauth.Store) {
	if _, ok := open().(oauth.Locker); !ok {
		t.Skip("it is no Locker")
	}
	var wg sync.WaitGroup
	inside := make(chan struct{}, 1)
	for range writers {
		locker, ok := open().(oauth.Locker)
		if !ok {
			t.Fatal("it is a Locker at times")
		}
		wg.Go(func() {
			unlock, err := locker.Lock(t.Context(), "k", time.Minute)
			if err != nil {
				t.Errorf("Lock: %v", err)
				return
			}
			defer unlock()
			select {
			case inside <- struct{}{}:
				<-inside
			default:
				t.Error("two have the lock")
			}
		})
	}
	wg.Wait()
}

func storeLockEnds(t *testing.T, open func() oauth.Store) {
	locker, ok := open().(oauth.Locker)
	if !ok {
		t.Skip("it is no Locker")
	}
	unlock, err := locker.Lock(t.Context(), "k", time.Minute)
	if err != nil {
		t.Fatalf("Lock: %v", err)
	}
	other, err := locker.Lock(t.Context(), "another key", time.Minute)
	if err != nil {
		t.Fatalf("Lock of another key: %v", err)
	}
	other()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := locker.Lock(ctx, "k", time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("Lock with a context that has ended: %v, want its error", err)
	}
	unlock()
	unlock, err = locker.Lock(t.Context(), "k", time.Minute)
	if err != nil {
		t.Fatalf("Lock after unlock: %v", err)
	}
	unlock()
}
