package httpx

import (
	"context"
	"sync/atomic"
)

// credentialsKey finds what [AddedCredentials] sets.
type credentialsKey struct{ OfRequest }

// WatchCredentials returns a context for a request, and what is true as soon as a
// layer below has put credentials on a request with that context. The answer's
// request does not show it: package auth takes them off again.
func WatchCredentials(ctx context.Context) (context.Context, *atomic.Bool) {
	if added, ok := ctx.Value(credentialsKey{}).(*atomic.Bool); ok {
		return ctx, added // of another such layer above, which has to know it too
	}
	added := new(atomic.Bool)
	return context.WithValue(ctx, credentialsKey{}, added), added
}

// AddedCredentials tells the layers above that a request with this context gets
// credentials.
func AddedCredentials(ctx context.Context) {
	if added, ok := ctx.Value(credentialsKey{}).(*atomic.Bool); ok {
		added.Store(true)
	}
}
