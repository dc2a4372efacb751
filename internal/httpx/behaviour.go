package httpx

import (
	"errors"
	"time"
)

// SaysNotSent reports whether err says, by a method NotSent, that the server has
// seen nothing of the request. See [NotSent] for errors of others.
func SaysNotSent(err error) bool {
	unsent, _ := saysNotSent(err)
	return unsent
}

// saysNotSent also reports whether err has such a method.
func saysNotSent(err error) (unsent, says bool) {
	e, ok := errors.AsType[interface {
		error
		NotSent() bool
	}](err)
	return ok && e.NotSent(), ok
}

// RetryAfter is the wait that err asks for by a method RetryAfter: never negative,
// and 0 if it asks for none.
func RetryAfter(err error) time.Duration {
	e, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err)
	if !ok {
		return 0
	}
	return max(0, e.RetryAfter())
}
