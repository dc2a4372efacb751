package breaker

import (
	"context"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// Do calls fn if the circuit of key lets it, and reports how it went. It is for
// work that is not an HTTP request; its circuits are apart from those of
// requests unless Config.Key returns the same keys.
//
// A refused call returns an [*OpenError] and does not call fn. Otherwise Do
// returns what fn returned: nil is a success, an error a failure, unless ctx is
// over or the error says NotSent. A panic of fn is a failure and goes on.
func (b *Breaker) Do(ctx context.Context, key string, fn func(context.Context) error) error {
	entry := b.circuits.Acquire(httpx.Key{Name: key}, noTime)
	defer entry.Release()
	c := entry.Value()
	out, refused := c.allow(ctx)
	if refused != nil {
		c.tell()
		return b.refuse(refused)
	}
	result := errNoResult // until fn is called
	defer func() { out.report(result) }()
	c.tell()
	result = errFailure // unless it returns
	err := fn(ctx)
	if result = nil; err != nil {
		result = out.blame(err)
	}
	return err
}
