package auth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Keys are an API key and, while keys are being rotated, another one that the
// server may accept in its place. Keys are a [KeySource] that never changes.
type Keys struct {
	// First is tried first.
	First Secret
	// Second is tried when the server refuses First with a 401. It may be empty.
	Second Secret
}

// Keys returns k.
func (k Keys) Keys(context.Context) (Keys, error) { return k, nil }

// check says what is wrong with the keys, without saying what they are.
func (k Keys) check(valid func(string) bool) error {
	var errs []error
	if k.First.IsZero() {
		errs = append(errs, errors.New("the first key is empty"))
	}
	for i, s := range []Secret{k.First, k.Second} {
		if !valid(s.Reveal()) {
			errs = append(errs, fmt.Errorf("key %d has characters that cannot be sent", i+1))
		}
	}
	return errors.Join(errs...)
}

// same reports whether the two pairs are the same.
func (k Keys) same(other Keys) bool {
	return k.First.Equal(other.First) && k.Second.Equal(other.Second)
}

// KeySource gives out API keys. It is asked for each request, is safe for
// concurrent use, and returns soon after ctx has ended.
type KeySource interface {
	Keys(ctx context.Context) (Keys, error)
}

// EnvKeys reads keys from the environment, once. The second name may be empty,
// and so may its variable. White space around a key is removed.
func EnvKeys(first, second string) (Keys, error) {
	k := Keys{First: NewSecret(strings.TrimSpace(os.Getenv(first)))}
	if k.First.IsZero() {
		return Keys{}, fmt.Errorf("auth: EnvKeys: the variable %q is empty or not set", first)
	}
	if second != "" {
		k.Second = NewSecret(strings.TrimSpace(os.Getenv(second)))
	}
	if err := k.check(visible); err != nil {
		return Keys{}, fmt.Errorf("auth: EnvKeys: %w", err)
	}
	return k, nil
}
