package httpx

import (
	"context"
	"time"
)

// Over returns why nobody waits any more for what is done with ctx: its cause,
// or that its deadline has passed and it has not noticed yet; nil if somebody
// does.
//
// http.Client has two timers for its Timeout, that of the request's context and
// one that has net/http give up. When the second is first, the transport has
// failed, and the context is not done.
func Over(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}
