package retry

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// idempotentKey marks a context made by Idempotent.
type idempotentKey struct{ httpx.OfRequest }

// keyField holds, in a context, the name of the field that has the idempotency
// key of a request, if it is not one that everybody knows.
type keyField struct{ httpx.OfRequest }

// Idempotent returns a context whose requests may be repeated whatever their
// method: sending them twice does what sending them once does. That holds for
// every request with the context or one made from it, also for one that a
// middleware below sends for purposes of its own; but not for the tokens that
// an auth.Cache asks for.
func Idempotent(ctx context.Context) context.Context {
	return context.WithValue(ctx, idempotentKey{}, true)
}

// attemptKey finds the marked context of a call.
type attemptKey struct{ httpx.OfRequest }

// marked is the context of all attempts of a call but the first, which goes out
// with the caller's own, so that a call that succeeds at once costs nothing.
type marked struct {
	context.Context
	attempt atomic.Int64 // the number of the newest attempt
}

// Value returns the marked context itself for attemptKey.
func (m *marked) Value(key any) any {
	if key == (attemptKey{}) {
		return m
	}
	return m.Context.Value(key)
}

// attemptOf returns the number of the newest attempt of the call that ctx
// belongs to; 1 outside of any.
func attemptOf(ctx context.Context) int {
	if m, ok := ctx.Value(attemptKey{}).(*marked); ok {
		return int(m.attempt.Load())
	}
	return 1
}

// AttemptsOf returns how often the call was tried that resp answers, at least
// once. It looks at resp.Request, which the transport sets.
func AttemptsOf(resp *http.Response) int {
	if resp == nil || resp.Request == nil {
		return 1
	}
	return attemptOf(resp.Request.Context())
}
