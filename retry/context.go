package retry

import (
	"context"
	"net/http"
)

// idempotentKey marks a context made by Idempotent.
type idempotentKey struct{}

// Idempotent returns a context whose requests may be repeated whatever their
// method: sending them twice does what sending them once does.
func Idempotent(ctx context.Context) context.Context {
	return context.WithValue(ctx, idempotentKey{}, true)
}

// attemptKey holds, in the context of a repeated attempt, its number. The first
// attempt has none, so that a call that succeeds at once costs nothing.
type attemptKey struct{}

// attemptOf returns the number of the attempt that ctx belongs to; 1 outside
// of any.
func attemptOf(ctx context.Context) int {
	if n, ok := ctx.Value(attemptKey{}).(int); ok {
		return n
	}
	return 1
}

// AttemptsOf returns how often the call was sent that resp answers, at least
// once. It looks at resp.Request, which the transport sets.
func AttemptsOf(resp *http.Response) int {
	if resp == nil || resp.Request == nil {
		return 1
	}
	return attemptOf(resp.Request.Context())
}
