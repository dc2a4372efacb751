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
	e, ok := errors.AsType[notSent](err)
	return ok && e.NotSent(), ok
}

type notSent interface {
	error
	NotSent() bool
}

// SaysRefused reports whether err says that the call was refused on this side of
// the server, about which that says nothing: by a limit, an open circuit, or for
// want of credentials. It has a method NotSent that says so, and, if it speaks
// of attempts that may have failed to connect, a method Refused.
func SaysRefused(err error) bool {
	e, ok := errors.AsType[notSent](err)
	if !ok || !e.NotSent() {
		return false
	}
	// Not what e wraps: the failure to get credentials may be such a call.
	r, ok := e.(interface{ Refused() bool })
	return !ok || r.Refused()
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
